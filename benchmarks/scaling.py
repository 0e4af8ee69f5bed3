"""Measure how the time of a click grows with the clicks before it, and the time of a call with its number of objects.

    python benchmarks/scaling.py [--preset davit-d3] [--size 1024] [--repeats 5] [--json OUT]

A click is one more `Session.add` and a `Session.predict`. A call decodes one click of each object together and computes
their masks at the resolution of the mask features.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from bench import Bench
from timing import median_seconds

from seemkit.inference.session import Session
from seemkit.prompts.values import Point

CLICKS = (1, 2, 5, 10, 20, 40)
OBJECTS = (1, 2, 5, 10, 20, 50, 100)


def time_clicks(session: Session, points: list[Point], repeats: int) -> dict[int, float]:
    """Return the seconds of the n-th click of an object, by n."""
    found = {}
    for number, point in enumerate(points[: max(CLICKS)], start=1):
        if number in CLICKS:

            def click(point: Point = point) -> None:
                session.add(point).predict()
                session.undo()

            found[number] = median_seconds(click, repeats)
        session.add(point).predict()
    return found


def time_objects(session: Session, points: list[Point], repeats: int) -> dict[int, float]:
    """Return the seconds of a call with a click for each of n objects, by n."""
    network, context = session.network, session.context

    def call(count: int) -> None:
        network.select(network.decode(context, [[[point] for point in points[:count]]])).masks()

    return {count: median_seconds(lambda count=count: call(count), repeats) for count in OBJECTS}


def main() -> None:
    """Print both as Markdown tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--preset", default="davit-d3", help="name of a model, as for bench.Bench (default: %(default)s)"
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bench = Bench(options.preset, options.size)
    places = torch.rand((max(OBJECTS), 2), generator=torch.Generator().manual_seed(2)) * (options.size - 1)
    points = [Point(float(x), float(y)) for x, y in places]
    with torch.inference_mode():
        session = Session(bench.network, bench.image.byte())
        session.predict(points[0])  # computes the class vectors
        found = {
            "click": time_clicks(session, points, options.repeats),
            "objects": time_objects(session, points, options.repeats),
        }
    for name, times in found.items():
        print(f"| {name} | {' | '.join(map(str, times))} |\n{'|---' * (len(times) + 1)}|")
        print(f"| ms | {' | '.join(f'{1000 * value:.0f}' for value in times.values())} |\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
