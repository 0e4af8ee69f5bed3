from __future__ import annotations

import pytest
import torch

from seemkit.nn.mask_refiner import SIGMAS, MaskRefiner, PromptPoints, draw_spots, likeness
from seemkit.types import Size

PADDED = Size(32, 64)


def points(*rows: tuple[float, float, bool, int]) -> PromptPoints:
    """Points of one image: row, column, whether positive, object."""
    pixels = torch.tensor([[row[:2] for row in rows]])
    return PromptPoints(pixels, torch.tensor([[row[2] for row in rows]]), torch.tensor([[row[3] for row in rows]]))


def test_spots_are_at_their_points_and_of_their_object() -> None:
    given = points((9, 17, True, 5), (21, 41, False, 5), (1, 1, True, 7), (0, 0, True, -1))
    spots = draw_spots(given, torch.tensor([[5, 7, -1]]), PADDED, Size(8, 16))
    assert spots.shape == (1, 3, 2 * len(SIGMAS), 8, 16)
    sharpest = spots[0, :, :: len(SIGMAS)].flatten(2).argmax(dim=2)
    assert [divmod(int(cell), 16) for cell in sharpest[0]] == [(2, 4), (5, 10)]
    assert divmod(int(sharpest[1, 0]), 16) == (0, 0)
    assert float(spots[0, 1, len(SIGMAS) :].max()) == 0  # object 7 has no negative point
    assert float(spots[0, 2].max()) == 0  # padding
    assert float(spots.max()) <= 1
    torch.testing.assert_close(spots[0, 0, 0, 2, 4], torch.tensor(1.0), atol=0.1, rtol=0)


def test_wider_spots_reach_farther() -> None:
    spots = draw_spots(points((16, 32, True, 0)), torch.tensor([[0]]), PADDED, Size(8, 16))[0, 0, : len(SIGMAS)]
    assert spots.flatten(1).sum(dim=1).diff().gt(0).all()


def test_likeness_is_the_cosine_with_the_mean_under_the_points() -> None:
    features = torch.zeros(1, 2, 8, 16)
    features[0, 0, :, :8], features[0, 1, :, 8:] = 3.0, 5.0
    alike = likeness(features, points((16, 4, True, 0), (16, 60, False, 0)), torch.tensor([[0, 1]]), PADDED)
    assert alike.shape == (1, 2, 2, 8, 16)
    assert alike[0, 0, 0, :, :8].min() == 1
    assert alike[0, 0, 0, :, 8:].max() == 0
    assert alike[0, 0, 1, :, 8:].min() == 1
    assert not alike[0, 1].any()


@pytest.mark.parametrize("scale", [1, 2])
def test_an_untrained_refiner_changes_nothing(scale: int) -> None:
    generator = torch.Generator().manual_seed(0)
    refiner = MaskRefiner(6, 4, scale)
    features = torch.randn(1, 6, 8 * scale, 16 * scale, generator=generator)
    masks = torch.randn(1, 2, 8 * scale, 16 * scale, generator=generator)
    given, owners = points((9, 17, True, 0), (3, 5, True, 1)), torch.tensor([[0, 1]])
    guide = refiner.encode(features)
    assert guide.shape == (1, 8, 8, 16)
    assert torch.equal(refiner(masks, guide, given, owners, PADDED, None), masks)
    torch.nn.init.normal_(refiner.leave.weight, generator=generator)
    changed = refiner(masks, guide, given, owners, PADDED, None)
    assert not torch.equal(changed, masks)
    assert not torch.equal(refiner(masks, guide, given, owners, PADDED, masks), changed)


def test_objects_do_not_affect_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    refiner = MaskRefiner(6, 4, 1)
    torch.nn.init.normal_(refiner.leave.weight, generator=generator)
    guide = refiner.encode(torch.randn(1, 6, 8, 16, generator=generator))
    masks, given = torch.randn(1, 2, 8, 16, generator=generator), points((9, 17, True, 0), (3, 5, True, 1))
    together = refiner(masks, guide, given, torch.tensor([[0, 1]]), PADDED, None)
    alone = refiner(masks[:, 1:], guide, given, torch.tensor([[1]]), PADDED, None)
    torch.testing.assert_close(together[:, 1:], alone)
