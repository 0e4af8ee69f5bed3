"""The objective: from what the network decoded to weighted losses, one name each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor

from seemkit.decoded import Decoded
from seemkit.losses import criterion as losses
from seemkit.losses.criterion import Criterion, GroupWeights, Matched, Targets
from seemkit.network import SEEM
from seemkit.nn.heads import Embeddings
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_PROMPT, TEXT_QUERY, VISUAL_QUERY
from seemkit.training.lesson import Lesson, choose_targets


@dataclass(frozen=True)
class Objective:
    """The losses of one decode.

    Attributes:
        network: what decoded, for its scores.
        criterion: weights and points.
        classes: [K + 1, C], unit vectors of the classes and the background.
        generator: draws the points.
    """

    network: SEEM
    criterion: Criterion
    classes: Tensor
    generator: torch.Generator

    def __call__(self, decoded: Decoded, targets: Targets, lesson: Lesson) -> dict[str, Tensor]:
        """Weighted losses by name, of the groups that took part.

        Args:
            decoded: the decode.
            targets: all trained segments of the images.
            lesson: which of them the prompts meant. In each image phrases stand before visually prompted objects;
                further texts, of such objects, are not learned from.
        """
        found = self._objects(decoded, targets) if OBJECT_QUERY.name in decoded.layers[-1] else {}
        if TEXT_PROMPT.name in decoded.prompts:
            places = [[phrase.segment for phrase in phrases] for phrases in lesson.phrases]
            said = decoded.prompts[TEXT_PROMPT.name].owners.shape[1]
            found |= self._phrases(decoded, choose_targets(targets, places, said))
        if VISUAL_QUERY.name in decoded.layers[-1]:
            found |= self._visual(decoded, choose_targets(targets, lesson.objects))
        return found

    def _objects(self, decoded: Decoded, targets: Targets) -> dict[str, Tensor]:
        stacked = _stack(decoded, OBJECT_QUERY.name)
        logits = self.network.class_logits(stacked, self.classes)
        matched = self._match(losses.class_cost(logits, targets), stacked, decoded, targets)
        choice = losses.class_choice(logits, matched.queries, targets)
        return self._weigh("object", self.criterion.objects, choice, matched, targets)

    def _phrases(self, decoded: Decoded, targets: Targets) -> dict[str, Tensor]:
        stacked = _stack(decoded, TEXT_QUERY.name)
        scores = self.network.text_scores(stacked, decoded.prompts)
        matched = self._match(losses.choice_cost(scores), stacked, decoded, targets)
        choice = losses.query_choice(scores, matched.queries)
        return self._weigh("phrase", self.criterion.phrases, choice, matched, targets)

    def _visual(self, decoded: Decoded, targets: Targets) -> dict[str, Tensor]:
        stacked = _stack(decoded, VISUAL_QUERY.name)
        copies = self.network.queries.copies
        scores = losses.hide_absent(self.network.visual_scores(stacked, decoded.prompts), targets.valid, copies)
        matched = self._match(losses.choice_cost(scores), stacked, decoded, targets, copies)
        choice = losses.query_choice(scores, matched.queries)
        found = self._weigh("visual", self.criterion.visual, choice, matched, targets)
        if self.criterion.label:
            label = losses.label_loss(self.network.class_logits(stacked, self.classes), matched.queries, targets)
            found["visual_label"] = self.criterion.label * label
        return found

    def _match(self, cost: Tensor, stacked: Embeddings, decoded: Decoded, targets: Targets, copies: int = 0) -> Matched:
        features = decoded.context.mask_features
        return losses.match(cost, stacked.masks, features, targets, self.criterion.points, self.generator, copies)

    @staticmethod
    def _weigh(
        name: str, weights: GroupWeights, choice: Tensor, matched: Matched, targets: Targets
    ) -> dict[str, Tensor]:
        count = _mean_over_ranks(targets.valid.sum().float()).clamp(min=1)
        return {
            f"{name}_choice": weights.choice * choice,
            f"{name}_bce": weights.bce * matched.bce / count,
            f"{name}_dice": weights.dice * matched.dice / count,
        }


def _stack(decoded: Decoded, group: str) -> Embeddings:
    """The embeddings of a group at all layers, each [L, B, N, C]."""
    return Embeddings(*(torch.stack(parts) for parts in zip(*(layer[group] for layer in decoded.layers), strict=True)))


def _mean_over_ranks(value: Tensor) -> Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
        value = value / torch.distributed.get_world_size()
    return value
