"""The objective: from what the network decoded to weighted losses, one name each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seemkit.decoded import Decoded
from seemkit.losses import criterion as losses
from seemkit.losses.criterion import Criterion, GroupWeights, Matched, Targets
from seemkit.losses.term import Term
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
        generators: draw the points, one an image.
    """

    network: SEEM
    criterion: Criterion
    classes: Tensor
    generators: Sequence[torch.Generator]

    def __call__(self, decoded: Decoded, targets: Targets, lesson: Lesson) -> dict[str, Term]:
        """Weighted losses by name, always the same ones; those of a group that took no part are zero.

        Args:
            decoded: the decode.
            targets: all trained segments of the images.
            lesson: which of them the prompts meant. In each image texts stand before visually prompted objects;
                further texts, of such objects, are not learned from.
        """
        found: dict[str, Term] = {}
        if OBJECT_QUERY.name in decoded.layers[-1]:
            found |= self._objects(decoded, targets)
        if TEXT_PROMPT.name in decoded.prompts and any(lesson.phrases):
            found |= self._phrases(decoded, targets, lesson)
        if VISUAL_QUERY.name in decoded.layers[-1]:
            found |= self._visual(decoded, choose_targets(targets, lesson.objects))
        return {name: found.get(name, self._nothing(name, decoded)) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The names of all losses."""
        parts = [f"{group}_{part}" for group in ("object", "phrase", "visual") for part in ("choice", "bce", "dice")]
        return [*parts, "visual_label"] if self.criterion.label else parts

    def _objects(self, decoded: Decoded, targets: Targets) -> dict[str, Term]:
        stacked = _stack(decoded, OBJECT_QUERY.name)
        logits = self.network.class_logits(stacked, self.classes)
        matched = self._match(losses.class_cost(logits, targets), stacked, decoded, targets, self.criterion.cost)
        choice = losses.class_choice(logits, matched.queries, targets)
        return _weigh("object", self.criterion.objects, choice, matched)

    def _phrases(self, decoded: Decoded, targets: Targets, lesson: Lesson) -> dict[str, Term]:
        meant = choose_targets(targets, [[phrase.segment for phrase in phrases] for phrases in lesson.phrases])
        stacked = _stack(decoded, TEXT_QUERY.name)
        by_text = self.network.text_scores(stacked, decoded.prompts)
        scores = by_text.gather(
            2, _text_of(lesson, meant)[None, :, :, None].expand(len(by_text), -1, -1, by_text.shape[3])
        )
        matched = self._match(losses.choice_cost(scores), stacked, decoded, meant, self.criterion.cost)
        factors = torch.where(torch.tensor(lesson.named), self.criterion.class_phrases, 1.0).to(scores.device)
        choice = losses.query_choice(scores, matched.queries, factors)
        found = _weigh("phrase", self.criterion.phrases, choice, matched)
        silent = self.criterion.all_or_none and not all(lesson.phrases)
        return {name: term.times(0) for name, term in found.items()} if silent else found

    def _visual(self, decoded: Decoded, targets: Targets) -> dict[str, Term]:
        stacked = _stack(decoded, VISUAL_QUERY.name)
        copies = self.network.queries.copies
        scores = self.network.visual_scores(stacked, decoded.prompts)
        if not self.criterion.padded_queries:
            scores = losses.hide_absent(scores, targets.valid, copies)
        cost = losses.choice_cost(scores)
        matched = self._match(cost, stacked, decoded, targets, self.criterion.visual_cost, copies)
        choice = losses.query_choice(scores, matched.queries)
        found = _weigh("visual", self.criterion.visual, choice, matched)
        if self.criterion.label:
            label = losses.label_loss(self.network.class_logits(stacked, self.classes), matched.queries, targets)
            found["visual_label"] = label.times(self.criterion.label)
        return found

    def _match(
        self,
        choice: Tensor,
        stacked: Embeddings,
        decoded: Decoded,
        targets: Targets,
        weights: GroupWeights,
        copies: int = 0,
    ) -> Matched:
        features, points = decoded.context.mask_features, self.criterion.points
        return losses.match(choice, stacked.masks, features, targets, points, self.generators, weights, copies)

    def _nothing(self, name: str, decoded: Decoded) -> Term:
        """The loss of an absent group; choices are counted for each prediction, masks in all."""
        zeros = self.classes.new_zeros(1 if name.endswith(("_bce", "_dice")) else len(decoded.layers))
        return Term(zeros, zeros)


def _weigh(name: str, weights: GroupWeights, choice: Term, matched: Matched) -> dict[str, Term]:
    return {
        f"{name}_choice": choice.times(weights.choice),
        f"{name}_bce": matched.bce.times(weights.bce),
        f"{name}_dice": matched.dice.times(weights.dice),
    }


def _text_of(lesson: Lesson, meant: Targets) -> Tensor:
    """int64 [B, N], the place of each phrase's text among its image's texts; 0 for padding."""
    found = torch.zeros(meant.valid.shape, dtype=torch.int64)
    for image, (phrases, texts) in enumerate(zip(lesson.phrases, lesson.texts, strict=True)):
        found[image, : len(phrases)] = torch.tensor([texts.index(phrase.text) for phrase in phrases], dtype=torch.int64)
    return found.to(meant.valid.device)


def _stack(decoded: Decoded, group: str) -> Embeddings:
    """The embeddings of a group at all layers, each [L, B, N, C]."""
    return Embeddings(*(torch.stack(parts) for parts in zip(*(layer[group] for layer in decoded.layers), strict=True)))
