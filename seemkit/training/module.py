"""The network as a Lightning module, which steps, optimizes and logs; the math is elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from seemkit.checkpoints.find import find
from seemkit.checkpoints.format import PACKAGES, check_fit, fill, packages
from seemkit.cluster.fsdp import scalars, shard, share_buffers
from seemkit.cluster.lightning_adapter import batch_counts, restore_loader_place, rewind_loaders, set_logged_step
from seemkit.errors import InputError
from seemkit.losses.alignment import RegionAlignment
from seemkit.losses.term import means_over_processes
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.nn.context import ImageContext
from seemkit.ops.generators import seeded
from seemkit.prompts.registry import installed
from seemkit.training.config import (
    Alignment,
    Optimization,
    Sampling,
    build_optimizer,
    build_schedule,
    compile_parts,
    compute_again,
    freeze,
)
from seemkit.training.objective import Objective
from seemkit.training.trained_architecture import trained_architecture, with_shipped_backbone
from seemkit.types import Batch, Vocabulary

Encoded = dict[str, list[tuple[ImageContext, Batch]]]
"""Under ``encoded``, the encoded images of a batch in parts, each with its part of the batch; empty if the batch is."""
STEPS = ("training_step", "validation_step", "test_step", "predict_step")


class SeemModule(lightning.LightningModule):
    """Trains a SEEM network.

    Args:
        architecture: sizes and switches of the network; None takes those of `weights`. With both, parts that only the
            architecture has, such as a mask refiner, start with random weights. So does a region head that `alignment`
            adds.
        optimization: optimizer and schedule.
        sampling: prompts of each image in a step.
        loss_weights: weights of the losses.
        alignment: region-text guide for training from scratch.
        weights: name or path of the initial weights, see `SEEM.from_pretrained`; None starts from scratch.
        seed: seed of the initial weights and of all random choices in training.

    Attributes:
        learned: what the network answers before it is trained here; without `weights`, what it would learn here.
    """

    def __init__(
        self,
        architecture: Architecture | None = None,
        optimization: Optimization = Optimization(),  # noqa: B008 (frozen)
        sampling: Sampling = Sampling(),  # noqa: B008
        loss_weights: LossWeights = LossWeights(),  # noqa: B008
        alignment: Alignment = Alignment(),  # noqa: B008
        weights: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.optimization = optimization
        self.sampling = sampling if "text" in loss_weights.answers else replace(sampling, phrases=0)
        self.loss_weights = loss_weights
        self.alignment = alignment
        self.seed = seed
        self.weights = weights
        sampling.user.check(installed())
        found = None if weights is None else find(weights)
        adapted = architecture is not None
        if architecture is None:
            if found is None:
                raise InputError("model: has no architecture; give model.architecture, or model.weights, which has one")
            architecture = found.architecture
        architecture = with_shipped_backbone(trained_architecture(architecture, sampling, loss_weights, alignment))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = SEEM(architecture)
        self.learned = architecture.answers if found is None else found.architecture.answers
        if found is not None:
            fill(self.network, found.tensors, found.source, new_parts=adapted or alignment.weight > 0)
        self.aligner: RegionAlignment | None = None
        if architecture.table == "composed":
            raise InputError(
                "model.architecture.table: composed is for inference; train with separate (the weights are the same)"
            )
        freeze(self.network, optimization)
        compute_again(self.network, optimization)
        if optimization.compile:
            compile_parts(self.network)

    @property
    def vocabulary(self) -> Vocabulary:
        """Classes of the data."""
        if self.network.vocabulary is None:
            raise InputError("network.vocabulary: is not set; set it or give a data module")
        return self.network.vocabulary

    def configure_model(self) -> None:
        """Set the vocabulary of the data, and build what depends on it."""
        self.network.vocabulary = self.trainer.datamodule.vocabulary  # type: ignore[attr-defined]
        self.sampling.check(self.vocabulary)
        if self.alignment.weight and self.aligner is None:
            embed_dim = self.network.architecture.embed_dim
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self.aligner = RegionAlignment(embed_dim, len(self.vocabulary))
        if self.device_mesh is not None and not isinstance(self, FSDPModule):
            if any(isinstance(callback, WeightAveraging) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
                raise InputError("trainer.callbacks: sharded weights cannot be averaged; remove EMAWeightAveraging")
            shard(self, [self.network.backbone, self.network.pixel_decoder], STEPS, self.device_mesh)

    def on_after_backward(self) -> None:
        """Average the gradients that sharding skips, and copy running averages from rank 0, as DDP does."""
        if isinstance(self, FSDPModule):
            share_buffers(self)
            for parameter in scalars(self):
                if parameter.grad is not None:
                    parameter.grad = self.trainer.strategy.reduce(parameter.grad, reduce_op="mean")

    def on_train_start(self) -> None:
        """Restore the loader's place in the epoch, and set frozen parts to evaluation mode.

        The hook for the start of an epoch would not do: Lightning skips it if a run resumes in the middle of an epoch.
        """
        restore_loader_place(self.trainer)
        self.learned = self.network.architecture.answers
        for part in self.optimization.frozen:
            self.network.get_submodule(part).eval()

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Log under the true step, from which Lightning's count can differ after an interruption."""
        set_logged_step(self.trainer, self.global_step)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch."""
        shared, generators = self._generators(len(batch))
        self._see_whole(batch)
        objective = Objective(
            self.network, self.vocabulary, self.sampling, self.loss_weights, self.alignment, self.aligner
        )
        terms = objective(batch, shared, generators, guide_alone=self.global_step < self.alignment.alone)
        found = dict(zip(terms, means_over_processes(list(terms.values())), strict=True))
        loss = torch.stack(list(found.values())).sum() + self._touch_all()
        self._log_losses(found, len(batch))
        return loss

    def _see_whole(self, batch: Batch) -> None:
        """Raise the architecture's `image_side` to the images' longest side: a model sees what it has learned at.

        Otherwise images would be resized here, and the masks of their targets would not fit them.
        """
        a = self.network.architecture
        longest = max(max(image.shape[-2:]) for image in batch.images)
        if a.image_side is not None and longest > a.image_side:
            self.network.architecture = replace(a, image_side=longest)

    def on_validation_start(self) -> None:
        """Gather sharded weights, because evaluations also read them outside the steps."""
        if isinstance(self, FSDPModule):
            self.unshard()

    def on_test_start(self) -> None:
        """Gather sharded weights; see `on_validation_start`."""
        self.on_validation_start()

    def on_validation_epoch_end(self) -> None:
        """Discard the cached class vectors, because weight averaging has just restored the weights in training."""
        self.network.language.forget_classes()

    def validation_step(self, batch: Batch, index: int) -> Encoded:
        """Return the encoded images, from which evaluation callbacks decode what they need."""
        return self._encode(batch)

    def test_step(self, batch: Batch, index: int) -> Encoded:
        """Return the encoded images; see `validation_step`."""
        return self._encode(batch)

    def predict_step(self, batch: Batch, index: int) -> Encoded:
        """Return the encoded images, which `PredictionWriter` decodes."""
        return self._encode(batch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the packages of the prompt kinds in use, and set the loader's place to the last finished batch.

        The command line checks the packages before it builds anything.
        """
        checkpoint[PACKAGES] = packages(self.network.architecture)
        rewind_loaders(checkpoint, batch_counts(self.trainer).current.processed)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise InputError unless the checkpoint has this architecture.

        Raises:
            InputError: names or shapes of its weights differ from those of this module.
        """
        if "state_dict" in checkpoint:  # torch itself loads and compares sharded weights
            check_fit(self.state_dict(), checkpoint["state_dict"], "checkpoint")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule over all steps of the run."""
        fused = not str(self.trainer.precision).endswith("mixed")
        optimizer = build_optimizer(self.network, self.aligner, self.optimization, fused)
        schedule = build_schedule(optimizer, self.optimization, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _generators(self, images: int) -> tuple[torch.Generator, list[torch.Generator]]:
        """Return a generator for the whole step, the same in every process, and one for each image.

        They depend on the seed, the step, and the image's place in the joint batch of all processes. So a resumed run
        makes the same random choices, and so does a run with more processes and fewer images each.
        """
        step, world = batch_counts(self.trainer).total.processed, self.trainer.world_size
        places = [image * world + self.global_rank for image in range(images)]
        return seeded(self.seed, step, 1), [seeded(self.seed, step, place + 2) for place in places]

    def _encode(self, batch: Batch) -> Encoded:
        """Return the encoded images in parts of one size, because padding would make results depend on the batch."""
        parts = batch.by_size()
        return {
            "encoded": [(self.network.encode_image(p.images, [target.size for target in p.targets]), p) for p in parts]
        }

    def _log_losses(self, found: dict[str, Tensor], images: int) -> None:
        """Log the losses, averaged over processes.

        Raises:
            InputError: a loss is not finite; all processes raise it.
        """
        values = torch.stack([loss.detach() for loss in found.values()])
        if self.trainer.world_size > 1:
            values = self.trainer.strategy.reduce(values, reduce_op="mean")
        if not bool(values.isfinite().all()):
            name, value = next(pair for pair in zip(found, values.tolist(), strict=True) if not math.isfinite(pair[1]))
            raise InputError(
                f"step {self.global_step}: the loss {name} is {value}, so training has diverged; use a lower "
                "model.optimization.learning_rate, more warmup, or a lower trainer.gradient_clip_val"
            )
        self.log_dict({f"train/{name}": value for name, value in zip(found, values, strict=True)}, batch_size=images)
        self.log("train/loss", values.sum(), prog_bar=True, batch_size=images)

    def _touch_all(self) -> Tensor | float:
        """Return 0, as a function of every trained parameter, so that no process waits for a gradient that never comes.

        Parameters that are sharded at this point belong to parts that every step uses, so they are skipped.
        """
        if self.trainer.world_size == 1:
            return 0.0
        touched = (p for p in self.parameters() if p.requires_grad and not isinstance(p, DTensor))
        return sum((p.sum() * 0 for p in touched), start=torch.zeros((), device=self.device))
