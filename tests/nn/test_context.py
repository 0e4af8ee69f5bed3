from __future__ import annotations

import pytest
import torch

from seemkit.postprocess.resize import restore
from seemkit.types import Size
from tests.networks import picture

FRAMES = [Size(120, 180), Size(30, 33)]


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_masks_of_each_image_come_back_at_its_own_size(network, mode):
    with torch.no_grad():
        context = network.encode_image([picture(60, 90), picture(64, 70, seed=1)], FRAMES)
    masks = torch.randn(3, *context.mask_features.shape[-2:], generator=torch.Generator().manual_seed(0))
    for image, (size, frame) in enumerate(zip([Size(60, 90), Size(64, 70)], FRAMES, strict=True)):
        found = context.restore(masks, image, mode)
        assert found.shape == (3, *frame)
        assert torch.equal(found, restore(masks, context.padded, size, frame, mode))


def test_views_of_an_image_restore_as_it_does(network):
    with torch.no_grad():
        context = network.encode_image([picture(60, 90), picture(64, 70, seed=1)], FRAMES)
    masks = torch.randn(2, *context.mask_features.shape[-2:], generator=torch.Generator().manual_seed(0))
    views = context.repeat(1, 3)
    assert torch.equal(views.restore(masks, 2), context.restore(masks, 1))
