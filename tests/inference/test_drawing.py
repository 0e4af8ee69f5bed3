from __future__ import annotations

import torch

from seemkit.inference.drawing import (
    captioned_grid,
    captions,
    color,
    draw_prompts,
    from_pil,
    outlines,
    overlay,
    panoptic_picture,
    to_pil,
)
from seemkit.prompts.values import Mask, Point, Text
from seemkit.types import Panoptic, Segment
from tests.networks import picture


def test_captions_are_inside_the_image_and_on_their_masks():
    image = torch.full((3, 120, 200), 90, dtype=torch.uint8)
    masks = torch.zeros(3, 120, 200, dtype=torch.bool)
    masks[0, 20:80, 40:110], masks[1, 90:110, 185:200] = True, True
    found = captions(image, [(masks[0], "cup 0.93"), (masks[1], "a long name 0.50"), (masks[2], "nothing")])
    changed = (found != image).any(dim=0)
    boxes = [changed[:85], changed[85:]]
    for box in boxes:
        columns = box.any(dim=0).nonzero()[:, 0]
        assert columns.min() > 0
        assert columns.max() < 200
    middle = boxes[0].nonzero().float().mean(dim=0)
    assert (middle - torch.tensor([50.0, 75.0])).abs().max() < 8


def test_overlay_tints_inside_and_outlines():
    image = picture(40, 50)
    masks = torch.zeros(2, 40, 50, dtype=torch.bool)
    masks[0, 5:15, 5:15] = True
    masks[1, 20:40, 30:50] = True
    found = overlay(image, masks, opacity=0.25)
    outside = ~masks.any(0)
    assert torch.equal(found[:, outside], image[:, outside])
    for index, inner in enumerate(((slice(6, 14), slice(6, 14)), (slice(21, 40), slice(31, 50)))):
        expected = 0.75 * image[:, *inner].float() + 0.25 * torch.tensor(color(index))[:, None, None]
        torch.testing.assert_close(found[:, *inner].float(), expected, atol=0.51, rtol=0)
    assert bool((found[:, 5, 5:15] == 255).all())
    assert bool((found[:, 20:, 30] == 255).all())
    assert not bool((found[:, 39, 31:49] == 255).all())  # the border of the image is no edge


def test_classes_have_their_color():
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    ids = torch.zeros(40, 50, dtype=torch.int64)
    ids[:20], ids[30:] = 3, 8
    found = panoptic_picture(image, Panoptic(ids, [Segment(3, 1), Segment(8, 1)]))
    assert torch.equal(found[:, 5, 5], found[:, 35, 5])
    assert found[:, 5, 5].any()
    assert not found[:, 25, 5].any()  # void
    assert not torch.equal(found[:, 5, 5], panoptic_picture(image, Panoptic(ids, [Segment(3, 2)]))[:, 5, 5])


def test_colors_of_neighbors_differ():
    for index in range(50):
        assert sum(abs(a - b) for a, b in zip(color(index), color(index + 1), strict=True)) > 100


def test_points_are_green_on_the_object_and_red_outside(tiny_network):
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    prompts = [Point(10.5, 20.5), Point(40.5, 5.5, positive=False), Text("star")]
    found = draw_prompts(image, prompts, tiny_network.sampler).int()
    assert found[1, 20, 10] > 2 * found[0, 20, 10]
    assert found[0, 5, 40] > 2 * found[1, 5, 40]
    assert not found[:, 30:, 20:].any()
    assert not image.any()


def test_other_prompts_are_drawn_as_the_outline_of_their_region(tiny_network):
    image, mask = torch.zeros(3, 40, 50, dtype=torch.uint8), torch.zeros(40, 50, dtype=torch.bool)
    mask[10:20, 10:30] = True
    found = draw_prompts(image, [Mask(mask), Mask(~mask, positive=False)], tiny_network.sampler)
    expected = outlines(image, [(mask, True), (~mask, False)])
    assert torch.equal(found, expected)
    assert found.any()


def test_pictures_survive_pillow():
    image = picture(7, 9)
    assert torch.equal(from_pil(to_pil(image)), image)


def test_grid_has_a_cell_for_each_picture():
    red = torch.zeros(3, 20, 40, dtype=torch.uint8)
    red[0] = 255
    sheet = captioned_grid([[(red, "a"), (red, "a much longer caption than fits")], [(red, "b")]], cell=60)
    rows = [4, 4 + 30 + 18 + 4]
    assert sheet.size == (2 * 64 + 4, 2 * (30 + 18 + 4) + 4)
    for x, y in ((5, rows[0]), (69, rows[0]), (5, rows[1])):
        assert sheet.getpixel((x, y + 1)) == sheet.getpixel((x + 58, y + 28)) == (255, 0, 0)
    assert sheet.getpixel((69, rows[1] + 1)) == (255, 255, 255)
    pixels = from_pil(sheet).int()
    assert pixels[:, :, 128:].min() == 255  # the caption is cut to its cell
    assert pixels[:, 34:52, 4:64].min() < 100


def test_outlines_have_the_color_of_their_sign():
    image = picture(40, 50)
    masks = torch.zeros(2, 40, 50, dtype=torch.bool)
    masks[0, 5:15, 5:20] = True
    masks[1, 25:35, 30:45] = True
    found = outlines(image, [(masks[0], True), (masks[1], False)])
    assert found[:, 5, 5:20].unique(dim=1).T.tolist() == [[40, 200, 60]]
    assert found[:, 25:35, 30].unique(dim=1).T.tolist() == [[230, 40, 40]]
    inner = torch.zeros_like(masks[0])
    inner[6:14, 6:19] = inner[26:34, 31:44] = True
    untouched = inner | ~masks.any(dim=0)
    assert torch.equal(found[:, untouched], image[:, untouched])
    assert torch.equal(outlines(image, []), image)
