"""The scenarios of the composed table, in which object queries read every prompt.

A scenario's name lists its prompts in order, each an object of its own: ``none``, ``stroke``, ``stroke_text_referred``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from golden import PHRASES
from layer_arrays import Found, layer_arrays, region_vectors
from torch import Tensor

from seemkit import SEEM, Mask, Prompt, RegionOf, Text
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import mask_logits
from seemkit.prompts.groups import EncodedGroup


@dataclass(frozen=True)
class ComposedScenarios:
    """Any combination of prompts.

    Attributes:
        network: with the synthetic weights.
        context: the encoded image.
        flipped: its encoded mirror image, which the referred region is in.
        masks: prompts by name, bool [N, H, W].
        classes: class vectors.
    """

    network: SEEM
    context: ImageContext
    flipped: ImageContext
    masks: dict[str, Tensor]
    classes: Tensor

    def run(self, names: Iterable[str]) -> Found:
        """Yield the arrays of the scenarios; a name with an unknown word has none."""
        for name in names:
            words = name.split("_")
            prompts = [self.prompts(word) for word in words]
            if None not in prompts:
                yield from self._scenario(name, [pair for pair in zip(words, prompts, strict=True) if pair[1]])

    def prompts(self, word: str) -> list[Prompt] | None:
        """The prompts that a word stands for: they describe one object. None if the word is unknown."""
        positive, negative = self.masks["pos"][0], self.masks["neg"][0]
        match word:
            case "none":
                return []
            case "stroke":
                return [Mask(positive), Mask(negative, positive=False)]
            case "text":
                return [Text(PHRASES[0])]
            case "referred":
                return [RegionOf(self.flipped, (Mask(positive.flip(-1)),))]
        return None

    def _scenario(self, name: str, objects: Sequence[tuple[str, list[Prompt]]]) -> Found:
        words = [word for word, _ in objects]
        prompts = [described for _, described in objects]
        decoded = self.network.decode(self.context, [prompts], objects=True, every_layer=True)
        vectors = self._vectors(words, decoded.prompts.get("visual_prompt"))
        yield from layer_arrays(self.network, self.classes, name, decoded, vectors)
        features = decoded.context.mask_features
        final = decoded.layers[-1]["object_query"].masks
        picks = self.network.select(decoded).choice[0] if words else ()
        for word, pick in zip(words, picks, strict=True):
            yield f"{name}/picked_by_{word}", lambda p=pick: p
            yield f"{name}/mask_by_{word}", lambda p=pick: mask_logits(final[:, p : p + 1], features)[0, 0]

    def _vectors(self, words: Sequence[str], group: EncodedGroup | None) -> dict[str, Tensor]:
        """The pooled vectors of the strokes and of the referred regions, among the rows of all visual prompts."""
        found = {}
        if group is not None:
            rows = {
                word: torch.tensor([words[owner] == word for owner in group.owners[0].tolist()])
                for word in ("stroke", "referred")
            }
            if "stroke" in words:
                found |= {kind: v[:, rows["stroke"]] for kind, v in region_vectors(self.network, group).items()}
            if "referred" in words:
                found["pred_pvisuals"] = group.pooled[:, rows["referred"]]
        return found
