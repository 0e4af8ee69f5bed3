"""Drawings of masks and prompts: overlays, outlines and grids."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from seemkit.interactive.clicker import center_click
from seemkit.ops.region import as_mask
from seemkit.prompts.encoder import RegionPromptEncoder
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Prompt
from seemkit.types import Panoptic, Size

EDGE = (255, 255, 255)
POSITIVE, NEGATIVE = (40, 200, 60), (230, 40, 40)


def color(index: int) -> tuple[int, int, int]:
    """Return the color (red, green, blue) of an index; neighboring indices have very different colors."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.61803 % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def overlay(image: Tensor, masks: Tensor, opacity: float = 0.5) -> Tensor:
    """Return the image with each mask tinted in its own color and outlined.

    Args:
        image: uint8 [3, H, W].
        masks: bool [N, H, W].
        opacity: opacity of the tint, 0..1.

    Returns:
        uint8 [3, H, W].
    """
    picture = image.float()
    for index, mask in enumerate(masks):
        tint = torch.tensor(color(index))[:, None, None]
        picture = torch.where(mask, picture * (1 - opacity) + tint * opacity, picture)
        picture = torch.where(_edge(mask), torch.tensor(EDGE)[:, None, None].float(), picture)
    return picture.round().clamp(0, 255).byte()


def panoptic_picture(image: Tensor, found: Panoptic) -> Tensor:
    """Return the image, uint8 [3, H, W], with each segment outlined and tinted in the color of its class."""
    picture = image.float() * 0.35
    for segment in found.segments:
        mask = found.ids == segment.id
        picture = torch.where(mask, picture + torch.tensor(color(segment.label))[:, None, None] * 0.65, picture)
        picture = torch.where(_edge(mask), torch.tensor(EDGE)[:, None, None].float(), picture)
    return picture.round().clamp(0, 255).byte()


def draw_prompts(image: Tensor, prompts: Iterable[Prompt], sampler: VisualSampler) -> Tensor:
    """Return the image with the prompts drawn, positive ones in green and negative ones in red.

    The kind decides whether a prompt is drawn as a dot or as the outline of its region. Kinds that mark no pixels are
    skipped.

    Args:
        image: uint8 [3, H, W].
        prompts: prompts of any kinds.
        sampler: the sampler with the encoders of these kinds.
    """
    size = Size(image.shape[-2], image.shape[-1])
    points: list[tuple[float, float, bool]] = []
    regions: list[tuple[Tensor, bool]] = []
    for prompt in prompts:
        encoder = sampler.encoder(prompt)
        if not isinstance(encoder, RegionPromptEncoder):
            continue
        if (dot := encoder.dot(prompt)) is not None:
            points.append((*dot, prompt.positive))
            continue
        region = encoder.region(prompt, size)
        regions += [(as_mask(region.positive, size), True), (as_mask(region.negative, size), False)]
    return _dots(outlines(image, regions), points)


def _dots(image: Tensor, points: Sequence[tuple[float, float, bool]]) -> Tensor:
    picture = to_pil(image)
    draw = ImageDraw.Draw(picture)
    radius = max(2.0, min(image.shape[1:]) / 80)
    for x, y, positive in points:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=POSITIVE if positive else NEGATIVE, outline=EDGE)
    return from_pil(picture)


def outlines(image: Tensor, regions: Sequence[tuple[Tensor, bool]]) -> Tensor:
    """Return the image with the border of each positive region in green and of each negative region in red.

    Args:
        image: uint8 [3, H, W].
        regions: for each region its mask, bool [H, W], and its sign.
    """
    for mask, positive in regions:
        tint = torch.tensor(POSITIVE if positive else NEGATIVE, dtype=torch.uint8)[:, None, None]
        image = torch.where(_edge(mask), tint, image)
    return image


def captions(image: Tensor, named: Sequence[tuple[Tensor, str]]) -> Tensor:
    """Return the image with a text in a box in the middle of each mask, at the pixel that is farthest from its border.

    Args:
        image: uint8 [3, H, W].
        named: for each mask, bool [H, W], its text; masks without pixels are skipped.
    """
    picture = to_pil(image)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(9.0, min(image.shape[1:]) / 36))
    for mask, text in named:
        if not bool(mask.any()):
            continue
        middle = center_click(mask)
        left, top, right, bottom = draw.textbbox((middle.x, middle.y), text, font=font, anchor="mm")
        aside = min(0.0, picture.width - 2 - right) - min(0.0, left - 2)
        draw.rectangle((left + aside - 2, top - 2, right + aside + 2, bottom + 2), fill=EDGE)
        draw.text((middle.x + aside, middle.y), text, fill=(20, 20, 20), font=font, anchor="mm")
    return from_pil(picture)


def captioned_grid(rows: Sequence[Sequence[tuple[Tensor, str]]], cell: int = 256) -> Image.Image:
    """Return a grid of images with one line of text under each.

    Args:
        rows: for each row its images, uint8 [3, H, W], and their captions.
        cell: width of a cell in pixels; images keep their aspect ratio.
    """
    caption, gap = 18, 4
    tall = [max(round(picture.shape[1] * cell / picture.shape[2]) for picture, _ in row) for row in rows]
    width = max(len(row) for row in rows) * (cell + gap) + gap
    sheet = Image.new("RGB", (width, sum(tall) + len(rows) * (caption + gap) + gap), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    y = gap
    for row, height in zip(rows, tall, strict=True):
        for column, (picture, text) in enumerate(row):
            x = gap + column * (cell + gap)
            shape = (cell, round(picture.shape[1] * cell / picture.shape[2]))
            sheet.paste(to_pil(picture).resize(shape, Image.Resampling.LANCZOS), (x, y))
            draw.text((x, y + height + 2), _cut(draw, text, cell), fill=(30, 30, 30))
        y += height + caption + gap
    return sheet


def to_pil(image: Tensor) -> Image.Image:
    """Return the Pillow image of a uint8 tensor [3, H, W]."""
    return Image.fromarray(image.permute(1, 2, 0).cpu().numpy())


def from_pil(image: Image.Image) -> Tensor:
    """Return the uint8 tensor [3, H, W] of an RGB Pillow image."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _edge(mask: Tensor) -> Tensor:
    """Return the pixels of a mask that touch a pixel outside it."""
    inside = torch.nn.functional.max_pool2d(1 - mask[None].float(), 3, 1, 1)[0]
    return mask & (inside > 0)


def _cut(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    while text and draw.textlength(text) > width:
        text = text[:-2].rstrip("…") + "…"
    return text
