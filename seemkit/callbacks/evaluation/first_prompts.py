"""How an evaluation asks for an object at first: a prompt of some kind, the same in every run."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from seemkit.ops.generators import seeded
from seemkit.prompts.encoder import Subject
from seemkit.prompts.values import Prompt
from seemkit.training.module import SeemModule
from seemkit.types import Target


def first_prompts(module: SeemModule, kind: str, target: Target, row: int) -> Sequence[Prompt]:
    """The prompts of a kind with which an evaluation starts; none if the kind cannot mark the object.

    Random choices are a function of the image's name and the object's place in it.

    Args:
        module: holds the encoders of the kinds.
        kind: for example ``"scribble"``.
        target: of the image.
        row: of the object in it.
    """
    draws = seeded(zlib.crc32(target.name.encode()), row + 1)
    return module.network.sampler.kind(kind).start(Subject(target.masks[row].cpu()), draws)
