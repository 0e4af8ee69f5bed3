"""Make the pictures of the page for its documentation: ``python -m tests.app.pictures docs/images``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.interactive.clicker import center_click
from tests.app.browser import Page, browsing, serving


def main(out: Path) -> None:
    """Label drawn scenes by clicks, then ask for everything in one, and write a picture of each state."""
    scenes = [make_scene(3, "test", number, 384) for number in range(6)]
    with TemporaryDirectory() as place:
        folder = Path(place) / "scenes"
        folder.mkdir()
        for number, scene in enumerate(scenes):
            Image.fromarray(scene.image).save(folder / f"{number}.png")
        with serving(str(folder), "--model", "scenes-tiny") as server, browsing(server) as page:
            page.page.set_viewport_size({"width": 1060, "height": 660})
            for scene in scenes[:2]:
                label(page, scene)
                page.answered(lambda: page.page.click("#next"))
            label(page, scenes[2])
            take(page, out / "app.png")
            page.answered(lambda: page.page.click("#next"))
            page.answered(lambda: page.page.click("#panoptic"))
            take(page, out / "app_everything.png")
            page.answered(lambda: page.page.click("#discard"))
            page.page.fill("#text", scenes[3].expressions[0].text)
            page.answered(lambda: page.page.click("#words button"))
            take(page, out / "app_words.png")


def label(page: Page, scene: Scene) -> None:
    """Click once in the middle of each thing of a scene."""
    for number, name in enumerate(scene.classes, 1):
        mask = torch.from_numpy(scene.ids == number)
        if name in {thing.shape for thing in scene.things}:
            page.page.click("#new")
            click = center_click(mask)
            page.click(click.x, click.y)
            page.label(-1, name)


def take(page: Page, path: Path) -> None:
    """Write what the page shows, with fewer colors, so that the file is small."""
    page.page.mouse.move(5, 400)
    page.page.wait_for_timeout(200)
    page.page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
