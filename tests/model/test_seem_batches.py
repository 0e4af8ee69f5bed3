"""A batch gives what its images give alone: odd sizes, several objects, memory, texts of different lengths."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import Point, Text
from seemkit.model.seem import SEEM
from tests.networks import TINY, build, picture

SIZES = ((61, 90), (75, 52))
OBJECTS = ([[Point(10, 12)], [Point(50, 30), Point(20, 50, positive=False)]], [[Point(30, 70)]])
PHRASES = ("star", "the small ring left of the star")


@pytest.fixture(
    scope="module",
    params=[{}, {"visual_queries": 0}, {"pixel_decoder": "deformable"}, {"visual_queries": 0, "table": "composed"}],
    ids=["v1", "v0", "deformable", "demo"],
)
def network(request) -> SEEM:
    return build(replace(TINY, **request.param)).double()


def image(index: int) -> torch.Tensor:
    """An image on a canvas of one size, so that it is padded alike alone and in the batch."""
    canvas = torch.zeros(3, 96, 96, dtype=torch.float64)
    height, width = SIZES[index]
    canvas[:, :height, :width] = picture(height, width, seed=index)
    return canvas


@torch.no_grad()
def test_two_images_together_and_alone(network):
    objects = [OBJECTS[0], OBJECTS[1]] if network.architecture.table != "composed" else [OBJECTS[0][:1], OBJECTS[1]]
    prompts = [[*mine, [Text(phrase)]] for mine, phrase in zip(objects, PHRASES, strict=True)]
    previous = torch.randn(2, 2, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = network.decode(
        network.encode_image([image(0), image(1)]), prompts, objects=True, previous=previous[:, : len(objects[0])]
    )
    for index in range(2):
        count = len(objects[index])
        context = network.encode_image([image(index)])
        alone = network.decode(context, [prompts[index]], objects=True, previous=previous[index : index + 1, :count])
        for group, expected in alone.layers[-1].items():
            found = both.layers[-1][group]
            rows = expected.masks.shape[1]
            torch.testing.assert_close(found.masks[index, :rows], expected.masks[0], atol=1e-8, rtol=1e-8)
            torch.testing.assert_close(found.classes[index, :rows], expected.classes[0], atol=1e-8, rtol=1e-8)
