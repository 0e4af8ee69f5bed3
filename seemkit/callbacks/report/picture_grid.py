"""A grid of pictures of predictions."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from seemkit.callbacks.evaluation.base import encoded, like_a_step, seem
from seemkit.callbacks.evaluation.worst_cases import image_at
from seemkit.inference.drawing import captioned_grid, draw_prompts, overlay, panoptic_picture
from seemkit.inference.session import Session
from seemkit.io.atomic import replacing
from seemkit.nn.context import ImageContext
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.prompts.values import Text
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Panoptic, Target

Cell = tuple[Tensor, str]


class PictureGrid(Callback):
    """Writes ``predictions.png`` into the run folder at the end of the test.

    Each row shows one image, its true segments, the predicted segments, the mask of a phrase, and the masks of its
    largest thing after one click and after five.

    Args:
        images: maximum number of rows.
        score_threshold: see `PanopticEvaluation`.
        overlap_threshold: see `PanopticEvaluation`.
    """

    def __init__(self, images: int = 8, score_threshold: float = 0.8, overlap_threshold: float = 0.8) -> None:
        self.images = images
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold
        self._rows: list[list[Cell]] = []

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start an empty grid."""
        self._rows = []

    @torch.no_grad()
    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, *_: object, **__: object
    ) -> None:
        """Draw one row per image until the grid is full."""
        with like_a_step(trainer):
            for context, images in encoded(outputs) if trainer.is_global_zero else ():
                for index in range(min(len(images), self.images - len(self._rows))):
                    self._rows.append(self._row(seem(pl_module), context.repeat(index, 1), images, index))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the grid."""
        if trainer.is_global_zero and self._rows:
            with replacing(Path(trainer.default_root_dir) / "predictions.png") as path:
                captioned_grid(self._rows).save(path, format="PNG")

    def _row(self, module: SeemModule, context: ImageContext, batch: Batch, index: int) -> list[Cell]:
        target = batch.targets[index].to("cpu")
        image = image_at(batch.images[index], target.size)
        row = [(image, target.name), (panoptic_picture(image, Panoptic.from_target(target)), "truth")]
        row.append((panoptic_picture(image, self._panoptic(module, context)), "predicted"))
        session = Session.of(module.network, context)
        if target.phrases:
            phrase = target.phrases[0].text
            row.append((overlay(image, session.predict(Text(phrase)).mask[None]), phrase))
        return row + self._clicks(module, session, image, target)

    def _panoptic(self, module: SeemModule, context: ImageContext) -> Panoptic:
        network = module.network
        probabilities, masks = network.panoptic_inputs(context, network.embed_vocabulary(module.vocabulary))
        found = panoptic_map(
            probabilities[0],
            masks[0],
            module.vocabulary.things,
            self.score_threshold,
            self.overlap_threshold,
            context.restore,
        )
        return Panoptic(found.ids.cpu(), found.segments)

    @staticmethod
    def _clicks(module: SeemModule, session: Session, image: Tensor, target: Target) -> list[Cell]:
        things = [i for i, label in enumerate(target.labels.tolist()) if module.vocabulary.things[label]]
        if not things:
            return []
        truth = target.masks[max(things, key=lambda i: int(target.masks[i].sum()))]
        cells: list[Cell] = []
        for prediction, prompts in session.simulate(truth, rounds=5):
            picture = draw_prompts(overlay(image, prediction.mask[None]), prompts, module.network.sampler)
            cells.append((picture, f"{len(prompts)} click{'s'[: len(prompts) > 1]}: {prediction.label}"))
        return [cells[0], cells[-1]]
