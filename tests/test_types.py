"""The plain data of the package."""

from __future__ import annotations

import torch

from seemkit.types import Target


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
