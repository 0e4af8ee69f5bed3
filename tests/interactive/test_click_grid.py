from __future__ import annotations

import pytest
import torch

from seemkit.interactive.click_grid import CellGrid, PixelGrid
from seemkit.interactive.clicker import Click, center_click
from seemkit.interactive.rollout import Rollout
from seemkit.model.seem import SEEM
from seemkit.ops.distance import exact_depth
from tests.networks import TINY, build, picture


@pytest.fixture(scope="module")
def network() -> SEEM:
    return build(TINY)


@torch.no_grad()
def grids(network: SEEM, height: int, width: int) -> tuple[PixelGrid, CellGrid]:
    context = network.encode_image([picture(height, width), picture(64, 96)])
    return PixelGrid(context, 0), CellGrid(context, 0)


def test_cells_are_those_of_the_mask_features(network: SEEM) -> None:
    _, cells = grids(network, 50, 70)
    assert (cells.height, cells.width) == (4.0, 4.0)
    mask = torch.zeros(3, 50, 70, dtype=torch.bool)
    mask[0, 8:20, 12:32] = True
    mask[1, 9, 13] = True  # far less than half of a cell
    found = cells.true(mask)
    assert found[0].nonzero().min(0).values.tolist() == [2, 3]
    assert found[0].nonzero().max(0).values.tolist() == [4, 7]
    assert int(found[0].sum()) == 15
    assert found[1].nonzero().tolist() == [[2, 3]]
    assert not found[2].any()


def test_points_come_back(network: SEEM) -> None:
    pixels, cells = grids(network, 50, 70)
    for click in (Click(0, 0, positive=True), Click(12, 7, positive=False)):
        assert pixels.find(pixels.place(click)) == cells.find(cells.place(click)) == click
    edge = cells.place(Click(17, 12, positive=True))  # these cells lie half outside of the image
    assert (edge.x, edge.y) == (69.5, 49.5)
    assert cells.find(edge) == Click(17, 12, positive=True)


def test_clicks_on_cells_are_almost_as_deep_as_on_pixels(network: SEEM) -> None:
    """The difference is less than the diagonals of two cells."""
    image = picture(64, 96)
    truth = torch.zeros(2, 64, 96, dtype=torch.bool)
    truth[0, 10:50, 20:70], truth[1, 5:30, 60:90] = True, True
    corrections = {}
    for grid in (PixelGrid, CellGrid):
        with torch.no_grad():
            context = network.encode_image([image])
        rollout = Rollout(network, context, [truth], [[[center_click(mask)] for mask in truth]], grid=grid)
        rollout.predict()
        nothing = torch.full_like(rollout.masks[0], -1.0, dtype=torch.float32)
        rollout.correct([nothing])
        corrections[grid] = [given[-1] for given in rollout.prompts[0]]
    for mask, *points in zip(truth, *corrections.values(), strict=True):
        depth = exact_depth(mask.numpy())
        on_pixels, on_cells = (depth[int(point.y), int(point.x)] for point in points)
        assert all(point.positive for point in points)
        assert on_pixels >= on_cells > on_pixels - 2 * 4 * 2**0.5
