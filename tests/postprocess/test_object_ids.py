from __future__ import annotations

import torch

from seemkit.postprocess.object_ids import object_ids, object_masks


def test_the_highest_positive_logit_owns_a_pixel():
    masks = torch.tensor([[[1.0, 3.0, -1.0, 0.0]], [[2.0, 2.0, -2.0, -1.0]]])
    ids = object_ids(masks)
    assert ids.tolist() == [[2, 1, 0, 0]]
    assert object_masks(ids, 3).tolist() == [
        [[False, True, False, False]],
        [[True, False, False, False]],
        [[False] * 4],
    ]


def test_of_equal_objects_the_first():
    assert object_ids(torch.ones(3, 1, 2)).tolist() == [[1, 1]]


def test_no_object():
    ids = object_ids(torch.zeros(0, 4, 5))
    assert ids.shape == (4, 5)
    assert not ids.any()
    assert object_masks(ids, 0).shape == (0, 4, 5)
