"""Prepared prompts: drawn regions and finished tokens, which no kind encodes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from seemkit.ops.region import Region
from seemkit.prompts.values import Prompt
from seemkit.types import Size


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """The tokens of one prompt.

    Attributes:
        values: one [n, C], or one for each level if the group's tokens are fresh at each level. The values are also
            the positions.
        pooled: the vector that queries are compared with to select one. For a visual prompt [C_mask], compared with
            mask embeddings; for any other prompt [C_text], compared with class embeddings.
        example: class embedding [C_text] of a region of another image, if the network finds its like by it.
    """

    values: list[Tensor]
    pooled: Tensor
    example: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRegion(Prompt):
    """A region of any image, as tokens; the image itself is not kept.

    Attributes:
        tokens: as `VisualSampler.describe` returns them.
    """

    tokens: PromptTokens


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRegion(Prompt):
    """A region of an image, as pixels.

    Attributes:
        region: the pixels, at least one.
        size: height and width of the image that the pixels belong to.
    """

    region: Region
    size: Size


def example_of(prompts: Sequence[Prompt]) -> Tensor | None:
    """Return the class embedding of the region of another image that alone describes an object; otherwise None."""
    if len(prompts) != 1 or not isinstance(prompts[0], EncodedRegion):
        return None
    return prompts[0].tokens.example
