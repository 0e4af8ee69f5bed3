"""The set criterion: the weighted losses of one decode, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seemkit.losses import group_losses
from seemkit.losses.group_losses import Targets
from seemkit.losses.matching import SharedPoints, choice_cost, class_cost, match, share_points
from seemkit.losses.term import Term
from seemkit.losses.weights import GroupWeights, LossWeights
from seemkit.model.outputs import Decoded
from seemkit.model.seem import SEEM
from seemkit.model.visual_masks import refine
from seemkit.nn.heads import Embeddings, mask_logits
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_PROMPT, TEXT_QUERY, VISUAL_PROMPT, VISUAL_QUERY
from seemkit.ops.transfer import send
from seemkit.training.step_prompts import SampledPrompts, choose_targets

SILENT = GroupWeights(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class MatchedGroup:
    """A group of queries, matched to its targets.

    Attributes:
        name: prefix of the names of its losses.
        weights: weights of its losses.
        embeddings: [L, B, Q, C], mask embeddings.
        targets: segments that the queries must find.
        queries: int64 [L, B, N], the query of each target.
        choices: weighted losses of its choices, by name.
    """

    name: str
    weights: GroupWeights
    embeddings: Tensor
    targets: Targets
    queries: Tensor
    choices: dict[str, Term]


@dataclass(frozen=True)
class SetCriterion:
    """The losses of one decode.

    Attributes:
        network: network that decoded, for its scores.
        loss_weights: weights of the losses and number of points.
        classes: [K + 1, C], unit vectors of the classes and the background.
        generators: generators of the random points, one for each image.
    """

    network: SEEM
    loss_weights: LossWeights
    classes: Tensor
    generators: Sequence[torch.Generator]

    def __call__(self, decoded: Decoded, targets: Targets, sampled: Sequence[SampledPrompts]) -> dict[str, Term]:
        """Return the weighted losses by name; the names are always the same, and the losses of absent groups are 0.

        Args:
            decoded: result of a decode with every layer.
            targets: all segments of the images that are trained on.
            sampled: prompts of each image. Texts of visually prompted objects are not trained.

        Raises:
            ValueError: the decode returned only the last layer.
        """
        if len(decoded.layers) != len(self.network.decoder.layers) + 1:
            raise ValueError("decoded: has too few layers for the losses; decode with every_layer=True")
        found: dict[str, Term] = {}
        features, points = decoded.context.mask_features, self.loss_weights.points
        for group in self._match(decoded, targets, sampled):
            bce, dice = group_losses.mask_terms(
                group.embeddings, features, group.targets, group.queries, points, self.generators
            )
            found |= group.choices
            found[f"{group.name}_bce"] = bce.times(group.weights.bce)
            found[f"{group.name}_dice"] = dice.times(group.weights.dice)
            if group.name == "visual" and self.network.refiner is not None:
                found |= self._refined(decoded, group)
        return {name: found.get(name, self._nothing(name, decoded)) for name in self.names}

    @property
    def names(self) -> list[str]:
        """Names of all losses."""
        parts = [f"{group}_{part}" for group in ("object", "phrase", "visual") for part in ("choice", "bce", "dice")]
        refined = ["refined_bce", "refined_dice"] if self.network.refiner is not None else []
        return [*parts, *refined, *(["visual_label"] if self.loss_weights.label else [])]

    def _match(self, decoded: Decoded, targets: Targets, sampled: Sequence[SampledPrompts]) -> list[MatchedGroup]:
        """Return the groups that took part."""
        shared = share_points(decoded.context.mask_features, self.loss_weights.points, self.generators)
        found = []
        if OBJECT_QUERY.name in decoded.layers[-1]:
            found.append(self._objects(decoded, targets, shared))
        if TEXT_PROMPT.name in decoded.prompts and any(one.phrases for one in sampled):
            found.append(self._phrases(decoded, targets, sampled, shared))
        if VISUAL_QUERY.name in decoded.layers[-1]:
            found.append(self._visual(decoded, choose_targets(targets, [one.objects for one in sampled]), shared))
        return found

    def _objects(self, decoded: Decoded, targets: Targets, shared: Sequence[SharedPoints]) -> MatchedGroup:
        stacked, weights = _stack(decoded, OBJECT_QUERY.name), self.loss_weights.objects
        logits = self.network.class_logits(stacked, self.classes)
        queries = match(class_cost(logits, targets), stacked.masks, targets, shared, self.loss_weights.cost)
        choice = group_losses.class_choice(logits, queries, targets).times(weights.choice)
        return MatchedGroup("object", weights, stacked.masks, targets, queries, {"object_choice": choice})

    def _phrases(
        self, decoded: Decoded, targets: Targets, sampled: Sequence[SampledPrompts], shared: Sequence[SharedPoints]
    ) -> MatchedGroup:
        meant = choose_targets(targets, [[phrase.segment for phrase in one.phrases] for one in sampled])
        silent = self.loss_weights.all_or_none and not all(one.phrases for one in sampled)
        stacked, weights = _stack(decoded, TEXT_QUERY.name), SILENT if silent else self.loss_weights.phrases
        by_text = self.network.text_scores(stacked, decoded.prompts)
        text = _text_of(sampled, meant)[None, :, :, None].expand(len(by_text), -1, -1, by_text.shape[3])
        scores = by_text.gather(2, text)
        queries = match(choice_cost(scores), stacked.masks, meant, shared, self.loss_weights.cost)
        named = torch.tensor([one.named for one in sampled])
        factors = send(torch.where(named, self.loss_weights.class_phrases, 1.0), scores.device)
        choice = group_losses.query_choice(scores, queries, factors).times(weights.choice)
        return MatchedGroup("phrase", weights, stacked.masks, meant, queries, {"phrase_choice": choice})

    def _visual(self, decoded: Decoded, targets: Targets, shared: Sequence[SharedPoints]) -> MatchedGroup:
        stacked, weights = _stack(decoded, VISUAL_QUERY.name), self.loss_weights.visual
        copies = self.network.queries.copies
        scores = self.network.visual_scores(stacked, decoded.prompts)
        if not self.loss_weights.padded_queries:
            scores = group_losses.hide_absent(scores, targets.valid, copies)
        queries = match(choice_cost(scores), stacked.masks, targets, shared, self.loss_weights.visual_cost, copies)
        choices = {"visual_choice": group_losses.query_choice(scores, queries).times(weights.choice)}
        if self.loss_weights.label:
            label = group_losses.label_loss(self.network.class_logits(stacked, self.classes), queries, targets)
            choices["visual_label"] = label.times(self.loss_weights.label)
        return MatchedGroup("visual", weights, stacked.masks, targets, queries, choices)

    def _refined(self, decoded: Decoded, group: MatchedGroup) -> dict[str, Term]:
        """Return the losses of the matched visual queries' refined masks, at every cell of the mask features."""
        owners = decoded.prompts[VISUAL_PROMPT.name].owners
        queries = group.queries[-1].clamp(min=0)[..., None].expand(-1, -1, group.embeddings.shape[-1])
        masks = mask_logits(group.embeddings[-1].gather(1, queries), decoded.context.mask_features)
        masks = refine(self.network.refiner, masks, owners, decoded)
        bce, dice = group_losses.dense_mask_terms(masks, group.targets)
        weights = self.loss_weights.refined
        return {"refined_bce": bce.times(weights.bce), "refined_dice": dice.times(weights.dice)}

    def _nothing(self, name: str, decoded: Decoded) -> Term:
        """Return the zero loss of an absent group: an entry per layer for choices and labels, one in all for masks."""
        zeros = self.classes.new_zeros(1 if name.endswith(("_bce", "_dice")) else len(decoded.layers))
        return Term(zeros, zeros)


def _text_of(sampled: Sequence[SampledPrompts], meant: Targets) -> Tensor:
    """Return the index of each phrase's text among the texts of its image, int64 [B, N]; 0 for padding."""
    found = torch.zeros(meant.valid.shape, dtype=torch.int64)
    for image, one in enumerate(sampled):
        found[image, : len(one.phrases)] = torch.tensor(one.text_places, dtype=torch.int64)
    return send(found, meant.valid.device)


def _stack(decoded: Decoded, group: str) -> Embeddings:
    """Return the embeddings of a group at all layers, each [L, B, N, C]."""
    return Embeddings(*(torch.stack(parts) for parts in zip(*(layer[group] for layer in decoded.layers), strict=True)))
