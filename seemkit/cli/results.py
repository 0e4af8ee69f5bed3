"""What ``seemkit segment`` finds in an image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from seemkit.formats.base import SegmentedImage
from seemkit.formats.output import picture
from seemkit.inference.drawing import draw_prompts
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.prompts.registry import prompt_to_json
from seemkit.prompts.values import Prompt


class Result(NamedTuple):
    """The predictions for an image.

    Attributes:
        image: image file.
        pixels: the image, uint8 [3, H, W].
        session: session that made the predictions.
        prompts: prompts of each object by its name; empty if everything was segmented.
        found: predictions, each with the name of its object; the name is None if everything was segmented.
    """

    image: Path
    pixels: Tensor
    session: Session
    prompts: Mapping[str, tuple[Prompt, ...]]
    found: list[tuple[str | None, Prediction]]

    def segmented(self, draw: bool) -> SegmentedImage:
        """Return what the formats write; `draw` says whether to make its picture, with the marks of the prompts."""
        session, found = self.session, [prediction for _, prediction in self.found]
        prompts = [*itertools.chain.from_iterable(self.prompts.values())]

        def marks(drawn: Tensor) -> Tensor:
            return draw_prompts(drawn, prompts, session.network.sampler)

        return SegmentedImage(
            self.image,
            session.size,
            found,
            session.vocabulary,
            [name for name, _ in self.found],
            {name: [prompt_to_json(prompt) for prompt in given] for name, given in self.prompts.items()},
            picture(self.pixels, found, marks) if draw else None,
        )
