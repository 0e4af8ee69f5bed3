"""Segmentation of one image without a prompt, for any class names."""

from __future__ import annotations

from functools import cached_property

from jaxtyping import Float, Int
from torch import Tensor

from seemkit.inference.concept import Concept
from seemkit.inference.prediction import Prediction
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings, mask_logits
from seemkit.nn.tokens import OBJECT_QUERY
from seemkit.ops.inference_mode import ordinary
from seemkit.postprocess.instance import distinct, instances
from seemkit.postprocess.panoptic import panoptic_parts
from seemkit.postprocess.semantic import semantic_map_of_rows
from seemkit.types import Vocabulary


class AutomaticSegmenter:
    """Segments one encoded image without a prompt; the object queries are decoded once for all class names.

    Args:
        network: the network, in evaluation mode.
        context: one encoded image.
    """

    def __init__(self, network: SEEM, context: ImageContext) -> None:
        self.network = network
        self.context = context

    def panoptic(self, vocabulary: Vocabulary, threshold: float, overlap_threshold: float) -> list[Prediction]:
        """Return all segments, which do not overlap, largest first; see `Session.panoptic`."""
        parts = panoptic_parts(
            self._probabilities(vocabulary), self._masks, vocabulary.things, threshold, overlap_threshold, self._enlarge
        )
        found = [
            Prediction(
                (parts.panoptic.ids == segment.id).cpu(),
                parts.logits[rows].amax(dim=0).cpu(),
                vocabulary.names[segment.label],
                segment.score,
            )
            for segment, rows in zip(parts.panoptic.segments, parts.rows, strict=True)
        ]
        return sorted(found, key=lambda prediction: -prediction.area)

    def instances(self, vocabulary: Vocabulary, threshold: float) -> list[Prediction]:
        """Return the things, best first; see `Session.instances`."""
        probabilities = self._probabilities(vocabulary)
        found = instances(probabilities, self._masks, vocabulary.things, enlarge=self._enlarge)
        kept = int((found.scores >= threshold).sum())
        logits = self._enlarge(self._masks[found.queries[:kept]]).cpu()
        return [
            Prediction(mask, masks, vocabulary.names[label], score)
            for mask, masks, label, score in zip(
                found.masks[:kept].cpu(), logits, found.labels[:kept].tolist(), found.scores.tolist(), strict=False
            )
        ]

    def alike(self, concept: Concept, vocabulary: Vocabulary, threshold: float) -> list[Prediction]:
        """Return every object that the concept means, best first; see `Session.find_all`."""
        scores = concept.scores(self.network, self._found, vocabulary)
        likely = (scores >= threshold).nonzero()[:, 0]
        logits = self._enlarge(self._masks[likely])
        masks = logits > 0
        scores = scores[likely] * (logits.sigmoid() * masks).sum(dim=(1, 2)) / masks.sum(dim=(1, 2)).clamp(min=1)
        rows = [row for row in distinct(masks, scores) if float(scores[row]) >= threshold]
        return [Prediction(masks[row].cpu(), logits[row].cpu(), concept.label, float(scores[row])) for row in rows]

    def semantic(self, vocabulary: Vocabulary) -> Int[Tensor, "H W"]:
        """Return the class index of each pixel; see `Session.semantic`."""
        return ordinary(
            semantic_map_of_rows(self._probabilities(vocabulary), self.context.restore_rows(self._masks)).cpu()
        )

    @cached_property
    def _found(self) -> Embeddings:
        return self.network.decode(self.context, objects=True).layers[-1][OBJECT_QUERY.name]

    @cached_property
    def _masks(self) -> Float[Tensor, "Q h w"]:
        """Mask logits of the object queries, at the resolution of the mask features."""
        return mask_logits(self._found.masks, self.context.mask_features)[0]

    def _enlarge(self, masks: Float[Tensor, "N h w"]) -> Float[Tensor, "N H W"]:
        return self.context.restore(masks)

    def _probabilities(self, vocabulary: Vocabulary) -> Float[Tensor, "Q K1"]:
        return self.network.class_logits(self._found, self.network.embed_vocabulary(vocabulary))[0].softmax(dim=-1)
