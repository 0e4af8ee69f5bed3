"""The first prompts of an object in an evaluation: of a given kind, and the same in every run."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from seemkit.ops.generators import seeded
from seemkit.prompts.encoder import Subject
from seemkit.prompts.values import Prompt
from seemkit.training.module import SeemModule
from seemkit.types import Target


def first_prompts(module: SeemModule, kind: str, target: Target, row: int) -> Sequence[Prompt]:
    """Return the first prompts of an object; an empty sequence if the kind cannot mark the object.

    Random choices depend only on the name of the image and on `row`.

    Args:
        module: module with the encoders of the prompt kinds.
        kind: prompt kind, for example ``"scribble"``.
        target: target of the image.
        row: row of the object in the target.
    """
    draws = seeded(zlib.crc32(target.name.encode()), row + 1)
    return module.network.sampler.kind(kind).start(Subject(target.masks[row].cpu()), draws)
