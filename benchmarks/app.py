"""Measure how long a click in the page takes until its mask is painted, beside the session's own time.

    python benchmarks/app.py [--model scenes-tiny] [--side 1024] [--clicks 30]

A server and headless Chromium run on this machine, as a user starts them. A click is timed in the page, from the end
of the press until the frame with its mask is drawn. The same clicks are then timed in a `Session` in a process of its
own. Each object gets two clicks, so half of them are corrections. The model is one that is installed, or the name of a
published one without its version, such as davit-d3, which gets random weights. Needs the extra ``app``, Playwright and
Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from seemkit import SEEM, Point, Session
from seemkit.checkpoints.variants import VARIANTS
from seemkit.data.scenes.scene import make_scene
from seemkit.types import Vocabulary

WATCH = """() => {
  window.times = [];
  let start = 0;
  addEventListener("pointerup", () => { start = performance.now(); }, true);
  new MutationObserver(() => {
    if (document.body.dataset.pending !== "0" || !start) return;
    const began = start;
    start = 0;
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        window.times.push(performance.now() - began);
        dispatchEvent(new Event("painted"));
      };
      port2.postMessage(null);  // comes after the frame
    });
  }).observe(document.body, { attributes: true, attributeFilter: ["data-pending"] });
}"""
PAINTED = """(number) => new Promise((done) => {
  const look = () => window.times.length > number && done();
  addEventListener("painted", look);
  look();
})"""
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def in_the_page(image: Path, model: str, places: Sequence[tuple[float, float]]) -> list[float]:
    """Return the time of each click in milliseconds, in the page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    command = [sys.executable, "-m", "seemkit", "app", str(image), "--model", model, "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http\S+", server.stdout.readline())
        assert address is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
            page = browser.new_page(viewport={"width": 1200, "height": 800})
            page.goto(address[0])
            page.wait_for_selector("body[data-ready]", timeout=120_000)
            box = page.locator("#canvas").bounding_box()
            assert box is not None
            with Image.open(image) as opened:
                width, height = opened.size
            scale = min(box["width"] / width, box["height"] / height) * 0.98
            left, top = (box["width"] - width * scale) / 2, (box["height"] - height * scale) / 2
            page.evaluate(WATCH)
            for number, (x, y) in enumerate(places):
                if number % 2 == 0:
                    page.click("#new")
                page.mouse.move(box["x"] + left + x * scale, box["y"] + top + y * scale)
                page.wait_for_timeout(150)  # a hand rests before it clicks
                page.mouse.down()
                page.mouse.up()
                page.evaluate(PAINTED, number)
            times: list[float] = page.evaluate("() => window.times")
            browser.close()
            return times
    finally:
        server.kill()
        server.wait()


def in_a_session(image: Path, model: str, places: Sequence[tuple[float, float]]) -> list[float]:
    """Return the time of each click in milliseconds, in a session."""
    session = Session(SEEM.from_pretrained(model), image)
    times = []
    for number, (x, y) in enumerate(places):
        start = time.perf_counter()
        session.add(Point(x, y), name=f"thing {number // 2}").predict()
        times.append(1000 * (time.perf_counter() - start))
    return times


def random_weights(preset: str, folder: Path) -> str:
    """Write a published architecture with random weights, and return its folder."""
    torch.manual_seed(0)
    names = Vocabulary(("thing", "stuff"), (True, False))
    SEEM(replace(VARIANTS[f"{preset}-v1"], templates=("{}",)), names).eval().save(folder)
    return str(folder)


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="scenes-tiny")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--clicks", type=int, default=30)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    places = [(float(x), float(y)) for x, y in rng.uniform(0.05, 0.95, (options.clicks, 2)) * options.side]
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "scene.png"
        Image.fromarray(make_scene(1, "test", 0, options.side).image).save(image)
        model = options.model
        if f"{model}-v1" in VARIANTS:
            model = random_weights(model, Path(folder) / model)
        page = in_the_page(image, model, places)
        own = in_a_session(image, model, places)
    for name, times in (("page", page), ("session", own)):
        print(f"{name:9}median {statistics.median(times):.0f} ms, p95 {np.percentile(times, 95):.0f} ms")
    print(f"overhead median {statistics.median(a - b for a, b in zip(page, own, strict=True)):.0f} ms")


if __name__ == "__main__":
    main()
