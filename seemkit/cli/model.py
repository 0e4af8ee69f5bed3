"""The model of a command: the one that is asked for, or the shipped model that answers the prompts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from seemkit.cli.threads import set_threads
from seemkit.model.seem import SEEM
from seemkit.prompts.encoder import RegionPromptEncoder
from seemkit.prompts.registry import installed
from seemkit.prompts.values import Prompt

Objects = Mapping[str, Sequence[Prompt]]
"""The prompts of each object by its name; empty to segment everything."""
Load = Callable[[Objects], SEEM]
"""A function that returns the network for the prompts."""
CLICKS, EVERYTHING = "photos-tiny", "scenes-tiny"
"""The shipped model for prompts that mark pixels, and the one for all others."""


def loader(options: argparse.Namespace, every: bool = False) -> Load:
    """Return a function that loads the model for a command's prompts.

    Args:
        options: the command's model, variant, device, dtype, size and threads. If the model is None, a shipped model is
            used, and standard error says so.
        every: whether the prompts mean every object like the one that they mark.
    """

    def load(objects: Objects) -> SEEM:
        set_threads(options.threads)
        source = options.model
        if source is None:
            source = EVERYTHING if every else default_model(objects)
            print(f"seemkit: model {source}; --model takes another (seemkit models)", file=sys.stderr)  # noqa: T201
        return SEEM.from_pretrained(
            source, options.variant, device=options.device, dtype=options.dtype, image_side=options.size
        )

    return load


def default_model(objects: Objects) -> str:
    """Return the name of the shipped model that answers the prompts."""
    kinds = {installed().kind_of(prompt) for prompts in objects.values() for prompt in prompts}
    marking = all(issubclass(installed()[kind].encoder, RegionPromptEncoder) for kind in kinds)
    return CLICKS if kinds and marking else EVERYTHING
