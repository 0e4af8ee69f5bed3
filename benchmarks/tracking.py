"""Measure tracking on generated clips: mean J by kind of first prompt, with and without a click in each frame.

    python benchmarks/tracking.py --model scenes-tiny [--clips N] [--frames T]

Things move in N clips, and the camera moves in N others. J is computed from one map of ids per frame, as in DAVIS, and
averaged over the frames after the first, then over all objects of all clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from seemkit import SEEM, Box
from seemkit.inference.tracker import Tracker
from seemkit.interactive.clicker import center_click
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.prompts.values import Mask, Prompt
from tests.clips import Clip, moving, panned


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scenes-tiny")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--frames", type=int, default=16)
    options = parser.parse_args()
    network = SEEM.from_pretrained(options.model)
    clips = {make.__name__: [make(seed, options.frames) for seed in range(options.clips)] for make in (moving, panned)}
    print("first frame   click    " + "".join(f"{name:>10}" for name in clips))
    for begin, prompt in BEGINNINGS.items():
        for click in (True, False):
            means = [
                torch.cat([follow(network, clip, prompt, click) for clip in made]).mean() for made in clips.values()
            ]
            print(f"{begin:<14}{click!s:<9}" + "".join(f"{mean:>10.3f}" for mean in means), flush=True)


@torch.inference_mode()
def follow(network: SEEM, clip: Clip, prompt: Callable[[Tensor], Prompt], click: bool) -> Tensor:
    """Return the mean J of each object of a clip."""
    tracker = Tracker(network, click=click)
    count = clip.masks.shape[1]
    tracker.add(network.encode_image([clip.frames[0]]), [[prompt(mask)] for mask in clip.masks[0]])
    values = []
    for frame, truth in zip(clip.frames[1:], clip.masks[1:], strict=True):
        found = object_masks(object_ids(tracker.step(network.encode_image([frame]))), count)
        union = (found | truth).flatten(1).sum(dim=1)
        values.append(((found & truth).flatten(1).sum(dim=1) / union.clamp(min=1)).where(union > 0, 1.0))
    return torch.stack(values).mean(dim=0)


def tight_box(mask: Tensor) -> Box:
    """Return the smallest box around a mask."""
    rows, columns = (mask.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    return Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


BEGINNINGS: dict[str, Callable[[Tensor], Prompt]] = {"mask": Mask, "point": center_click, "box": tight_box}
"""By name, the function that returns the prompt of an object in its first frame."""


if __name__ == "__main__":
    main()
