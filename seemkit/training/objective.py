"""The objective of a training step: from a batch to the weighted losses, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seemkit.interactive.click_grid import CellGrid, ClickGrid, PixelGrid
from seemkit.interactive.rollout import Rollout
from seemkit.losses.alignment import RegionAlignment, cell_shares
from seemkit.losses.group_losses import Targets
from seemkit.losses.term import Term
from seemkit.losses.weights import LossWeights
from seemkit.model.outputs import Decoded
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.ops.transfer import send
from seemkit.training.config import Alignment, Sampling
from seemkit.training.referred_regions import refer
from seemkit.training.set_criterion import SetCriterion
from seemkit.training.step_prompts import SampledPrompts, pad_targets, sample_prompts
from seemkit.types import Batch, Size, Vocabulary

GRIDS: dict[str, type[ClickGrid]] = {"pixels": PixelGrid, "cells": CellGrid}


@dataclass(frozen=True)
class Objective:
    """Draws the prompts of a batch, decodes them, and measures the losses.

    The host waits for the device once for the costs of each matched query group and once for each round of clicks,
    however many objects, images and layers there are.

    Attributes:
        network: the network.
        vocabulary: classes of the data.
        sampling: prompts of each image.
        loss_weights: weights of the losses.
        alignment: weight and duration of the region-text guide.
        aligner: the region-text guide; None without it.
    """

    network: SEEM
    vocabulary: Vocabulary
    sampling: Sampling
    loss_weights: LossWeights
    alignment: Alignment
    aligner: RegionAlignment | None

    def __call__(
        self, batch: Batch, shared: torch.Generator, generators: Sequence[torch.Generator], guide_alone: bool = False
    ) -> dict[str, Term]:
        """Return the losses.

        Args:
            batch: the images on the network's device, and their targets, on the host, where prompts are drawn.
            shared: generator for what all images share.
            generators: a generator for each image.
            guide_alone: whether to measure the losses of the region-text guide alone.
        """
        context = self.network.encode_image(batch.images)
        sampled = sample_prompts(batch.targets, self.vocabulary, self.sampling, self.network.sampler, generators)
        if self.sampling.referred:
            sampled = refer(sampled, batch, context, self.network, self.sampling.referred, generators)
        targets = pad_targets(batch.targets, [one.segments for one in sampled], context.padded, self.network.device)
        classes = self.network.language.embed_classes_once(self.vocabulary.names, shared, self.network.templates)
        terms = {} if self.aligner is None else self._align(self.aligner, context, targets, sampled, classes)
        if self.aligner is None or not guide_alone:
            ignored = [target.ignored for target in batch.targets]
            decoded = self._decode(context, targets, ignored, sampled, shared)
            terms |= SetCriterion(self.network, self.loss_weights, classes, generators)(decoded, targets, sampled)
        return terms

    def _decode(
        self,
        context: ImageContext,
        targets: Targets,
        ignored: Sequence[Tensor | None],
        sampled: Sequence[SampledPrompts],
        generator: torch.Generator,
    ) -> Decoded:
        """Run some rounds of clicks without gradient, and return one decode of all prompts with gradient."""
        masks = [
            segments[send(torch.tensor(one.objects, dtype=torch.int64), segments.device), : frame.height, : frame.width]
            for segments, one, frame in zip(targets.masks, sampled, context.frames, strict=True)
        ]
        first = [one.first_prompts for one in sampled]
        rollout = Rollout(self.network, context, masks, first, ignored=ignored, grid=GRIDS[self.sampling.clicks])
        rounds = int(torch.randint(self.sampling.rounds + 1, (1,), generator=generator))
        for _ in range(rounds if any(one.first_prompts for one in sampled) else 0):
            rollout.correct(rollout.predict())
        prompts = [one.decoded_objects(clicked) for one, clicked in zip(sampled, rollout.prepared, strict=True)]
        objects = "automatic" in self.network.architecture.answers
        return self.network.decode(context, prompts, objects=objects, previous=rollout.memory, every_layer=True)

    def _align(
        self,
        aligner: RegionAlignment,
        context: ImageContext,
        targets: Targets,
        sampled: Sequence[SampledPrompts],
        classes: Tensor,
    ) -> dict[str, Term]:
        """Return the losses of the region-text guide."""
        head = self.network.decoder.region_head
        assert head is not None
        phrases = [(image, phrase) for image, one in enumerate(sampled) for phrase in one.phrases]
        sentences = self.network.language([phrase.text for _, phrase in phrases]).sentence if phrases else classes[:0]
        image, region = send(
            torch.tensor([(image, phrase.segment) for image, phrase in phrases], dtype=torch.int64), classes.device
        ).view(-1, 2).T  # fmt: skip
        maps = [*(level.transpose(1, 2) for level in context.levels), context.region_features.flatten(2)]
        quarter = Size(context.padded.height // 4, context.padded.width // 4)
        shares = cell_shares(targets.masks, [*context.shapes, quarter])
        regions = head.embed(maps, shares)
        result = aligner(regions, targets, classes[:-1], sentences, image, region)
        return {f"align_{name}": term.times(self.alignment.weight) for name, term in result._asdict().items()}
