"""A real server, as a user starts it, and its page in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


class Server(NamedTuple):
    """A server that runs."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.address.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """End the server at once, as ``kill -9`` does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(*words: str, port: int = 0, path: Path | None = None) -> Iterator[Server]:
    """Run `seemkit app`, and yield the server.

    Args:
        words: options of the command.
        port: the port; 0 for a free one.
        path: folder of further Python packages.
    """
    command = [sys.executable, "-m", "seemkit", "app", *words, "--no-browser", "--port", str(port)]
    further = {} if path is None else {"PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [*command, "--threads", "1"], stdout=subprocess.PIPE, text=True, env={**os.environ, **further}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http\S+", line)
        assert found, f"the server says {line!r}"
        yield Server(found[0], process)
    finally:
        process.kill()
        process.wait()


class Page:
    """The page, with gestures in pixels of the image."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("pageerror", lambda error: self.said.append(str(error)))
        self.open(address)

    def open(self, address: str) -> None:
        """Open the page, or open it again."""
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]", timeout=60_000)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The place in the window of a pixel of the image, which is shown as a whole."""
        box = self.page.locator("#canvas").bounding_box()
        width, height = (int(one) for one in re.findall(r"\d+", self.page.inner_text("#status"))[-2:])
        scale = min(box["width"] / width, box["height"] / height) * 0.98
        left, top = (box["width"] - width * scale) / 2, (box["height"] - height * scale) / 2
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def click(self, x: float, y: float, *keys: str) -> None:
        """Click, and wait for the answer."""
        for key in keys:
            self.page.keyboard.down(key)
        self.answered(lambda: self.page.mouse.click(*self.place(x, y)))
        for key in keys:
            self.page.keyboard.up(key)

    def drag(self, *places: tuple[float, float]) -> None:
        """Drag through places, and wait for the answer."""
        self.page.mouse.move(*self.place(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.place(*place))
        self.answered(self.page.mouse.up)

    def tool(self, kind: str) -> None:
        """Take a tool."""
        self.page.click(f'#tools button[data-kind="{kind}"]')

    def answered(self, what: Callable[[], object]) -> None:
        """Do something, and wait until the server has answered and the labels are saved."""
        what()
        self.page.wait_for_selector('body[data-pending="0"]', timeout=30_000)

    def label(self, at: int, text: str) -> None:
        """Give the object at a place of the list a label, by mouse and keyboard."""
        self.page.locator('#objects input[list="classes"]').nth(at).click(click_count=3)
        self.page.keyboard.type(text)
        self.answered(lambda: self.page.keyboard.press("Tab"))

    @property
    def labels(self) -> list[str]:
        """Labels of the list of objects."""
        return [one.input_value() for one in self.page.locator('#objects input[list="classes"]').all()]

    @property
    def error(self) -> str:
        """The line that says what is wrong."""
        return str(self.page.inner_text("#error"))


@contextmanager
def browsing(server: Server) -> Iterator[Page]:
    """Open the page in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = Page(browser.new_page(viewport={"width": 1200, "height": 760}), server.address)
        yield page
        browser.close()
        assert page.said == []


def saved(folder: Path, image: str) -> dict[str, np.ndarray]:
    """The masks of an image in the files of the folder, by label."""
    for path in sorted((folder / "annotations").glob("instances_*.json")):
        content = json.loads(path.read_text())
        names = {one["id"]: one["name"] for one in content["categories"]}
        for record in content["images"]:
            if record["file_name"] == image:
                mine = [one for one in content["annotations"] if one["image_id"] == record["id"]]
                return {names[one["category_id"]]: coco_mask.decode(one["segmentation"]).astype(bool) for one in mine}
    return {}
