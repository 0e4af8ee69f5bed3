"""What ``seemkit predict`` writes: the segments of all images, in the formats of ``seemkit segment``."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from torch.distributed.tensor import DTensor

from seemkit.callbacks.evaluation.base import encoded, like_a_step, seem
from seemkit.callbacks.prediction_log import LoggedImage, PredictionLog
from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.image_list import ImageFiles
from seemkit.errors import InputError
from seemkit.formats.base import SegmentedImage
from seemkit.formats.output import MASKS, Output, check_formats, picture
from seemkit.inference.prediction import Prediction
from seemkit.io.image import read_image
from seemkit.nn.architecture import check_answers
from seemkit.nn.context import ImageContext
from seemkit.ops.rle import decode_mask, encode_mask
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Panoptic, Vocabulary


class PredictionWriter(Callback):
    """Writes the segments of all images to ``predictions/`` in the run folder.

    Each process first notes the segments of an image in ``predictions/found/``. So the same command continues a run
    that was interrupted, with any number of processes: images that are noted are skipped. When all are done, the first
    process writes the files. The same command with other `formats` then writes these, and encodes no image again. An
    image that cannot be read is skipped and named; the next run tries it again.

    Args:
        formats: ``masks`` and names of `seemkit.formats.registry.FORMATS`.
        score_threshold: see `PanopticEvaluation`.
        overlap_threshold: see `PanopticEvaluation`.

    Raises:
        InputError: a format is unknown.
    """

    def __init__(
        self,
        formats: Sequence[str] = ("coco-panoptic",),
        score_threshold: float = 0.8,
        overlap_threshold: float = 0.8,
    ) -> None:
        check_formats(formats, "formats")
        self.formats = tuple(formats)
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the images that are done, and let the data module skip them.

        Raises:
            InputError: the data has no images to predict, or two with the same name.
        """
        if stage != "predict":
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, CocoDataModule):
            raise InputError(f"data: {type(data).__name__} has no images to predict; use CocoDataModule")
        self._folder = Path(trainer.default_root_dir) / "predictions"
        self._images, self._sides = data.images_to_predict(), list(data.sides)
        _check_stems(self._images.names)
        self._log = PredictionLog(self._folder / "found")
        data.predicted = self._log.names()
        trainer.strategy.barrier()  # all have read before one writes; otherwise their shares would not fit together

    @torch.no_grad()
    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the class embeddings, and open the log.

        Raises:
            InputError: the folder has predictions of another model or with other thresholds, or the model does not
                segment without a prompt.
        """
        module = seem(pl_module)
        architecture = module.network.architecture
        if not trainer.ckpt_path:  # the weights are as they were given, not trained here
            architecture = replace(architecture, answers=module.learned)
        check_answers(architecture, "automatic")
        with like_a_step(trainer):
            self._classes = module.network.embed_vocabulary(module.vocabulary)
        settings = self._settings(module)
        self._log.check(settings)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            self._log.begin(settings)
        self._log.open(trainer.global_rank)

    @torch.no_grad()
    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, *_: object, **__: object
    ) -> None:
        """Note the segments of a batch."""
        with like_a_step(trainer):
            for context, images in encoded(outputs):
                self._note(seem(pl_module), context, images)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files when all processes are done."""
        self._log.close()
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            for line in self._write(seem(pl_module).vocabulary):
                Console().print(line, markup=False, highlight=False, soft_wrap=True)

    def _settings(self, module: SeemModule) -> dict[str, Any]:
        """Return what the segments of an image depend on."""
        return {
            "weights": _checksum(module),
            "images": self._images.source,
            "sides": self._sides,
            "classes": list(module.vocabulary.names),
            "score_threshold": self.score_threshold,
            "overlap_threshold": self.overlap_threshold,
        }

    def _note(self, module: SeemModule, context: ImageContext, images: Batch) -> None:
        """Add images of one size to the log."""
        probabilities, masks = module.network.panoptic_inputs(context, self._classes)
        for index, target in enumerate(images.targets):
            found = panoptic_map(
                probabilities[index],
                masks[index],
                module.vocabulary.things,
                self.score_threshold,
                self.overlap_threshold,
                partial(context.restore, image=index),
            )
            self._log.add(LoggedImage(target.name, target.size, _rows(found, module.vocabulary)))

    def _write(self, vocabulary: Vocabulary) -> list[str]:
        """Write the files of all images in the log; return the lines of a summary."""
        output = Output(self._folder, self.formats)
        images = segments = 0
        for position, image in self._log.read(self._images.names):
            segmented = _segmented(self._images, position, image, vocabulary, MASKS in self.formats)
            segments += output.add(segmented, segmented.path.stem)
            images += 1
        output.finish()
        total = len(self._images)
        left = [] if images == total else [f"{total - images} of {total} images are missing: see the lines above"]
        return [*left, f"{images} of {total} images, {segments} segments, written to {self._folder}"]


def _check_stems(names: Sequence[str]) -> None:
    """Raise InputError unless the images have different names without folders and suffixes, as the files have."""
    seen: dict[str, str] = {}
    for name in names:
        if seen.setdefault(Path(name).stem, name) != name:
            raise InputError(f"{name}: has the name of {seen[Path(name).stem]}; rename one, or predict them apart")


def _checksum(module: SeemModule) -> int:
    """Return a checksum of all weights of the network, which is the same on all devices."""
    found = 0
    for value in module.network.state_dict().values():
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        found = zlib.crc32(whole.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data, found)
    return found


def _rows(found: Panoptic, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return the segments of a map as rows of the log."""
    ids = found.ids.cpu()
    return [
        {
            "label": vocabulary.names[segment.label],
            "score": segment.score,
            "segmentation": encode_mask(ids == segment.id),
        }
        for segment in found.segments
    ]


def _segmented(
    images: ImageFiles, position: int, image: LoggedImage, vocabulary: Vocabulary, draw: bool
) -> SegmentedImage:
    """Return an image of the log as the formats take it."""
    found = []
    for row in image.found:
        mask = decode_mask(row["segmentation"])
        found.append(Prediction(mask, torch.where(mask, 1.0, -1.0), row["label"], row["score"]))
    file = images.files[position]
    path = file if isinstance(file, Path) else Path(image.name)
    drawn = picture(read_image(file, images.upright), found) if draw else None
    return SegmentedImage(path, image.size, found, vocabulary, picture=drawn)
