"""The plain data of the package."""

from __future__ import annotations

import pytest
import torch

from seemkit.types import Panoptic, Target


def test_a_target_moves_with_all_its_tensors() -> None:
    masks = torch.zeros((1, 4, 5), dtype=torch.bool)
    target = Target(masks, torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.bool), name="a.jpg")
    assert target.to("meta").ignored is None
    target.ignored = masks[0]
    moved = target.to("meta")
    assert moved.name == "a.jpg"
    assert moved.ignored is not None
    for tensor in (moved.masks, moved.labels, moved.crowd, moved.ignored):
        assert tensor.device.type == "meta"


def test_a_panoptic_map_of_masks() -> None:
    masks = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 1]]]).bool()
    found = Panoptic.from_masks(masks, [3, 1])
    assert found.ids.tolist() == [[1, 1, 0, 2]]
    assert [(segment.id, segment.label) for segment in found.segments] == [(1, 3), (2, 1)]
    masks[1, 0, 1] = True
    with pytest.raises(ValueError, match=r"a\.png: 1 pixels are in several segments"):
        Panoptic.from_masks(masks, [3, 1], "a.png")
    with pytest.raises(ValueError, match="2 masks but 1 labels"):
        Panoptic.from_masks(masks, [3])
