"""Prepared prompts: drawn regions and finished tokens, which no kind encodes again."""

from __future__ import annotations

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
    """

    values: list[Tensor]
    pooled: Tensor


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
