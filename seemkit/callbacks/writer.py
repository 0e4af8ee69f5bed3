"""Panoptic maps of ``seemkit predict``, in COCO's format."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from PIL import Image

from seemkit.callbacks.evaluation.base import encoded, like_a_step, seem
from seemkit.errors import InputError
from seemkit.io.atomic import replacing, write_json
from seemkit.io.panoptic_png import encode_ids
from seemkit.nn.context import ImageContext
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.training.module import SeemModule
from seemkit.types import Batch, Panoptic, Vocabulary


class PanopticWriter(Callback):
    """Writes ``predictions/<image>.png`` (segment id = R + 256 G + 65536 B) and ``predictions/panoptic.json``.

    The PNGs are in COCO's format. The JSON has ``annotations`` and ``categories`` as in COCO, but with the name of the
    image as ``image`` instead of ``image_id``. With several processes, each writes its own ``panoptic.<rank>.json``.

    Args:
        score_threshold: see `PanopticEvaluation`.
        overlap_threshold: see `PanopticEvaluation`.
    """

    def __init__(self, score_threshold: float = 0.8, overlap_threshold: float = 0.8) -> None:
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold

    @torch.no_grad()
    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the class embeddings, and create the folder."""
        module = seem(pl_module)
        with like_a_step(trainer):
            self._classes = module.network.embed_vocabulary(module.vocabulary)
        self._annotations: list[dict[str, Any]] = []
        _folder(trainer).mkdir(parents=True, exist_ok=True)

    @torch.no_grad()
    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, *_: object, **__: object
    ) -> None:
        """Write the maps of the batch."""
        with like_a_step(trainer):
            for context, images in encoded(outputs):
                self._write(trainer, seem(pl_module), context, images)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the JSON with the segments of all maps."""
        name = "panoptic.json" if trainer.world_size == 1 else f"panoptic.{trainer.global_rank}.json"
        content = {"annotations": self._annotations, "categories": _categories(seem(pl_module).vocabulary)}
        write_json(_folder(trainer) / name, content)

    def _write(self, trainer: Trainer, module: SeemModule, context: ImageContext, images: Batch) -> None:
        """Write the maps of images of one size."""
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
            name = _png_name(target.name, {annotation["file_name"] for annotation in self._annotations})
            (_folder(trainer) / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(_folder(trainer) / name) as path:
                Image.fromarray(encode_ids(found.ids.cpu().numpy())).save(path, format="PNG")
            self._annotations.append(_record(target.name, name, found))


def _png_name(image: str, taken: Collection[str]) -> str:
    """Return the path of an image's map: the image's own path, without folders if it is absolute or contains ``..``.

    Raises:
        InputError: another image has a map with this name.
    """
    path = PurePath(image)
    name = (PurePath(path.name) if path.is_absolute() or ".." in path.parts else path).with_suffix(".png").as_posix()
    if name in taken:
        raise InputError(f"{image}: another image also has the map predictions/{name}; rename one of them")
    return name


def _folder(trainer: Trainer) -> Path:
    return Path(trainer.default_root_dir) / "predictions"


def _record(image: str, png: str, found: Panoptic) -> dict[str, Any]:
    segments = [
        {
            "id": segment.id,
            "category_id": segment.label + 1,
            "area": int((found.ids == segment.id).sum()),
            "score": round(segment.score, 4),
        }
        for segment in found.segments
    ]
    return {"image": image, "file_name": png, "segments_info": segments}


def _categories(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    pairs = zip(vocabulary.names, vocabulary.things, strict=True)
    return [{"id": index, "name": name, "isthing": int(thing)} for index, (name, thing) in enumerate(pairs, start=1)]
