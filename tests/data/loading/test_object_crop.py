from __future__ import annotations

import pytest
import torch

from seemkit.data.loading.object_crop import ObjectCrop
from seemkit.data.loading.transforms import GRAY
from seemkit.errors import InputError
from seemkit.types import Target


def sample(height: int = 120, width: int = 200) -> tuple[torch.Tensor, Target]:
    """An image with one object of 30 x 20 pixels, all of whose pixels are 255, on 0, and a dot."""
    masks = torch.zeros(2, height, width, dtype=torch.bool)
    masks[0, 40:70, 90:110], masks[1, 3, 3] = True, True
    image = masks[0].to(torch.uint8).mul(255).expand(3, -1, -1).contiguous()
    return image, Target(masks, torch.tensor([3, 4]), torch.tensor([False, False]), ignored=~masks.any(dim=0))


def draws(crop: ObjectCrop, count: int = 30) -> list[tuple[torch.Tensor, Target]]:
    return [crop(*sample(), torch.Generator().manual_seed(seed)) for seed in range(count)]


def test_the_object_is_whole_and_of_many_sizes() -> None:
    shares = []
    for image, target in draws(ObjectCrop(64, 1.15, 6)):
        assert image.shape == (3, 64, 64)
        assert target.masks.shape[1:] == (64, 64)
        assert target.labels[0] == 3
        edges = target.masks[0].any(dim=0).sum(), target.masks[0].any(dim=1).sum()
        assert float(edges[1]) == pytest.approx(1.5 * float(edges[0]), abs=3)  # the whole box of 30 x 20
        shares.append(float(edges[1]) / 64)
        assert float((image[0][target.masks[0]] > 127).float().mean()) > 0.85
    assert max(shares) > 0.6
    assert min(shares) < 0.25


def test_pixels_outside_the_image_are_gray_and_not_ignored() -> None:
    for image, target in draws(ObjectCrop(64, 6, 6)):
        outside = (image == GRAY).all(dim=2).all(dim=0)  # rows; those at the edges are blends
        assert float(outside.float().mean()) == pytest.approx(1 / 3, abs=0.05)  # 180 x 180 of 120 x 200
        assert target.ignored is not None
        assert not bool(target.masks[:, outside].any())
        assert not bool(target.ignored[outside].any())
        assert float(target.ignored[~outside].float().mean()) > 0.9


def test_crowds_and_dots_are_not_cropped_to() -> None:
    image, target = sample()
    target.crowd[0] = True
    found, _ = ObjectCrop(64, 1.15, 1.15)(image, target, torch.Generator().manual_seed(0))
    assert found.shape == (3, 64, 64)
    assert float((found == 255).float().mean()) < 0.1  # not around the crowd


@pytest.mark.parametrize("options", [{"side": 8}, {"least": 0.5}, {"least": 3, "most": 2}])
def test_bad_settings(options) -> None:
    with pytest.raises(InputError, match=r"^crop: side"):
        ObjectCrop(**options)
