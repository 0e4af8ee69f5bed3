"""One image segmented without a prompt, for any class names."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seemkit.inference.instance import instances
from seemkit.inference.panoptic import panoptic_map
from seemkit.inference.resize import restore
from seemkit.inference.semantic import semantic_map
from seemkit.network import SEEM
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings
from seemkit.nn.tokens import OBJECT_QUERY
from seemkit.prediction import Prediction
from seemkit.types import Vocabulary


class Unprompted:
    """What the object queries say of an encoded image; they are decoded once, whatever classes are asked for.

    Args:
        network: in evaluation mode.
        context: one encoded image.
    """

    def __init__(self, network: SEEM, context: ImageContext) -> None:
        self.network = network
        self.context = context
        self._vectors: dict[tuple[str, ...], Tensor] = {}

    def embed(self, vocabulary: Vocabulary) -> Float[Tensor, "K1 C"]:
        """The vectors of the class names and of the background."""
        if vocabulary.names not in self._vectors:
            self._vectors[vocabulary.names] = self.network.embed_vocabulary(vocabulary)
        return self._vectors[vocabulary.names]

    def panoptic(self, vocabulary: Vocabulary, threshold: float, overlap_threshold: float) -> list[Prediction]:
        """All segments, which do not overlap, largest first; see `Session.panoptic`."""
        probabilities, logits = self._probabilities(vocabulary), self._logits
        found = panoptic_map(probabilities, logits, vocabulary.things, threshold, overlap_threshold)
        predictions = []
        for segment in found.segments:
            mask = found.ids == segment.id
            best = int((logits.sigmoid() * mask).sum(dim=(1, 2)).argmax())
            predictions.append(
                Prediction(mask.cpu(), logits[best].cpu(), vocabulary.names[segment.label], segment.score)
            )
        return sorted(predictions, key=lambda prediction: -prediction.area)

    def instances(self, vocabulary: Vocabulary, threshold: float) -> list[Prediction]:
        """The things, best first; see `Session.instances`."""
        found = instances(self._probabilities(vocabulary), self._logits, vocabulary.things)
        kept = int((found.scores >= threshold).sum())
        return [
            Prediction((logits > 0).cpu(), logits.cpu(), vocabulary.names[label], score)
            for logits, label, score in zip(
                self._logits[found.queries[:kept]], found.labels[:kept].tolist(), found.scores.tolist(), strict=False
            )
        ]

    def semantic(self, vocabulary: Vocabulary) -> Int[Tensor, "H W"]:
        """The class of each pixel; see `Session.semantic`."""
        return semantic_map(self._probabilities(vocabulary), self._logits).cpu()

    @cached_property
    def _found(self) -> Embeddings:
        return self.network.decode(self.context, objects=True).layers[-1][OBJECT_QUERY.name]

    @cached_property
    def _logits(self) -> Float[Tensor, "Q H W"]:
        masks = torch.einsum("nc,chw->nhw", self._found.masks[0], self.context.mask_features[0])
        return restore(masks, self.context.padded, self.context.sizes[0], self.context.frames[0])

    def _probabilities(self, vocabulary: Vocabulary) -> Float[Tensor, "Q K1"]:
        return self.network.class_logits(self._found, self.embed(vocabulary))[0].softmax(dim=-1)
