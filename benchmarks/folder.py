"""Compare the speed of `seemkit segment FOLDER` with the speed of the encoder alone.

    python benchmarks/folder.py [--preset davit-d3] [--size 512] [--images 8] [--batch 1] [--repeats 3]

The images are PNG files of noise. The command predicts one text for each and writes masks, overlays and JSON. The
encoder gets the same images from memory. Both run in this process with the same network, with random weights, in turn
and several times; loading the network does not count. The ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from bench import Bench
from PIL import Image

from seemkit.cli.segment import SegmentOptions
from seemkit.cli.segment_folder import segment_folder
from seemkit.io.image import image_files, read_image
from seemkit.model.seem import SEEM

BAR = 0.9


def seconds_of_encoder(network: SEEM, folder: Path) -> float:
    """Return the seconds to encode all images, one at a time."""
    images = [read_image(path) for path in image_files(folder)]
    start = time.perf_counter()
    with torch.inference_mode():
        for image in images:
            network.encode_image([image])
    return time.perf_counter() - start


def seconds_of_segment(network: SEEM, folder: Path, batch: int) -> float:
    """Return the seconds of the whole command without loading the network."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        segment_folder(folder, lambda _: network, SegmentOptions(["text=a red thing"]), Path(out), batch)
        return time.perf_counter() - start


def main() -> int:
    """Print the figures and return 0 if the ratio is at least `BAR`, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--preset", default="davit-d3", help="name of a published model without its version (default: %(default)s)"
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    network = Bench(options.preset, options.size).plain
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index in range(options.images):
            generator = torch.Generator().manual_seed(index)
            pixels = torch.randint(0, 256, (options.size, options.size, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / f"{index}.png")
        rows = [
            (seconds_of_encoder(network, folder), seconds_of_segment(network, folder, options.batch))
            for _ in range(options.repeats)
        ]
    encoder, whole = (statistics.median(column) for column in zip(*rows, strict=True))
    found = {"seconds_encoder": encoder, "seconds_segment": whole, "images": options.images, "ratio": encoder / whole}
    print(json.dumps(found, indent=2))
    return 0 if found["ratio"] >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
