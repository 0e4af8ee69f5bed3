"""Draw the picture of the README with the shipped models.

    pip install scikit-image && python docs/examples/readme_picture.py

The photograph is "coffee" by Rachel Michetti, CC0, from scikit-image. The scene is one of seemkit's own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from skimage import data
from torch import Tensor

from seemkit import SEEM, Point, Prompt, Session, Text
from seemkit.data.scenes.scene import make_scene
from seemkit.inference.drawing import captions, draw_prompts, from_pil, overlay, to_pil
from seemkit.inference.prediction import Prediction

HEIGHT, GAP, LINE = 240, 8, 22
SCENE = 23
OUT = Path(__file__).parents[1] / "images" / "readme.png"


def main() -> None:
    """Write the picture."""
    clicks, scenes = SEEM.from_pretrained("photos-tiny"), SEEM.from_pretrained("scenes-tiny")
    scene = torch.from_numpy(make_scene(0, "test", SCENE).image).permute(2, 0, 1).contiguous()
    everything, texts = Session(scenes, scene), Session(scenes, scene)
    cells = [
        (from_pil(Image.fromarray(data.coffee())), "a photograph"),
        marked("two clicks", clicks, data.coffee(), Point(300, 200), Point(240, 330, positive=False)),
        (drawn(scene, everything.panoptic()), "no prompt: everything"),
        (drawn(scene, texts.find_all(Text("mug"))), 'find_all(Text("mug"))'),
    ]
    sized = [(scaled(to_pil(picture)), text) for picture, text in cells]
    sheet = Image.new("RGB", (sum(one.width + GAP for one, _ in sized) - GAP, HEIGHT + LINE), (255, 255, 255))
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=13), 0
    for picture, text in sized:
        sheet.paste(picture, (left, 0))
        draw.text((left + 2, HEIGHT + 3), text, fill=(30, 30, 30), font=font)
        left += picture.width + GAP
    sheet.convert("P", palette=Image.Palette.ADAPTIVE).save(OUT, optimize=True)


def scaled(picture: Image.Image) -> Image.Image:
    """Return a picture at the common height."""
    return picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)


def marked(text: str, network: SEEM, pixels: object, *prompts: Prompt) -> tuple[Tensor, str]:
    """Return a photograph with prompts and the mask that they give, and the text below it."""
    image = from_pil(Image.fromarray(pixels))
    found = Session(network, image).predict(*prompts)
    return draw_prompts(overlay(image, found.mask[None]), prompts, network.sampler), text


def drawn(image: Tensor, found: list[Prediction]) -> Tensor:
    """Return an image with masks and their labels, enlarged."""
    image, masks = enlarge(image), enlarge(torch.stack([one.mask for one in found]))
    names = [f"{one.label} {one.score:.2f}" for one in found]
    return captions(overlay(image, masks), list(zip(masks, names, strict=True)))


def enlarge(maps: Tensor) -> Tensor:
    """Return images or masks of a scene at three times their size."""
    return maps.repeat_interleave(3, dim=-1).repeat_interleave(3, dim=-2)


if __name__ == "__main__":
    main()
