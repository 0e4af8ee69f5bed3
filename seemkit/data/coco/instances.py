"""The dataset of a folder in the COCO instance layout."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from seemkit.data.coco.annotations import read_refs_json
from seemkit.data.coco.base import CocoImages, check_folders
from seemkit.data.coco.instances_json import InstancesAnnotation, read_instances_json
from seemkit.data.coco.segmentation import decode_shape
from seemkit.data.loading.transforms import Transform, drop_vanished
from seemkit.data.shards.files import open_split
from seemkit.errors import InputError
from seemkit.types import Size, Target


class CocoInstances(CocoImages[InstancesAnnotation]):
    """Images with one mask per object and optional referring expressions.

    The folder contains ``<split>/`` with the images and ``annotations/`` with ``instances_<split>.json``, whose
    annotations have polygons or run lengths. ``annotations/`` can also contain ``refs_<split>.json`` (see
    `CocoPanoptic`), where ``ann_id`` is the id of an annotation. Images can be in shards instead.

    A category is a thing unless it has ``"isthing": 0``. Masks can overlap. Images without annotations have an empty
    target. The constructor checks the JSON files and that every image exists. Pixels are checked and masks decoded
    when a sample is read.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        phrases: bool = True,
        transform: Transform | None = None,
        seed: int = 0,
        *,
        skip_empty: bool = False,
        labeled_within: str | None = None,
    ) -> None:
        """Read and check the annotations of one split.

        Args:
            root: folder of the dataset.
            split: name of the split, for example "train2017".
            phrases: whether to read the referring expressions.
            transform: function that changes image and target, or None.
            seed: seed of the transform's random choices.
            skip_empty: whether to skip objects without pixels, and their phrases, instead of raising an error. An
                example is annotation 918 of COCO train2017, an outline without area.
            labeled_within: class outside of whose masks the annotation is incomplete, for example ``person`` if only
                one person of a photo and this person's clothes are annotated. The pixels outside are `Target.ignored`,
                so no simulated user clicks on them.

        Raises:
            InputError: a file or folder is missing, a JSON file is faulty, or `labeled_within` is not one of its
                classes; the message names file and field.
        """
        annotations = Path(root) / "annotations"
        json_path = annotations / f"instances_{split}.json"
        images, _ = open_split(Path(root), split)
        check_folders(Path(root), images, annotations)
        vocabulary, found = read_instances_json(json_path, allow_empty=skip_empty)
        refs_path = annotations / f"refs_{split}.json"
        refs = read_refs_json(refs_path, found, json_path) if phrases and refs_path.is_file() else {}
        super().__init__(images, json_path, vocabulary, found, refs, transform, seed)
        self.skip_empty = skip_empty
        self.labeled_within = None
        if labeled_within is not None:
            if labeled_within not in vocabulary.names:
                raise InputError(f"{json_path}: labeled_within: no category has the name {labeled_within!r}")
            self.labeled_within = vocabulary.names.index(labeled_within)

    def _read_target(self, annotation: InstancesAnnotation, size: Size) -> Target:
        target = super()._read_target(annotation, size)
        if annotation.areas is not None:
            target.areas = torch.tensor(annotation.areas, dtype=torch.float64)
        if self.labeled_within is not None:
            target.ignored = ~target.masks[target.labels == self.labeled_within].any(dim=0)
        if self.skip_empty:
            return drop_vanished(target)
        check_pixels(target, annotation, self.json_path, "remove it or set skip_empty")
        return target

    def _read_masks(self, annotation: InstancesAnnotation, size: Size) -> Tensor:
        return decode_masks(annotation, size, self.json_path)


def decode_masks(annotation: InstancesAnnotation, size: Size, json_path: Path) -> Tensor:
    """Return the masks bool [N, H, W] of the objects of an image of this size.

    Raises:
        InputError: the image size differs from the JSON, or run lengths do not fit it.
    """
    if size != annotation.size:
        raise InputError(
            f"{json_path}: {annotation.image_name} is {size.width} by {size.height} pixels but image id "
            f"{annotation.image_id} has width {annotation.size.width} and height {annotation.size.height}; make them "
            "equal"
        )
    masks = torch.zeros((len(annotation.shapes), *size), dtype=torch.bool)
    for mask, shape, segment in zip(masks, annotation.shapes, annotation.segments, strict=True):
        mask.copy_(decode_shape(shape, size, f"{json_path}: annotation id {segment.id} of {annotation.image_name}"))
    return masks


def check_pixels(target: Target, annotation: InstancesAnnotation, json_path: Path, advice: str) -> None:
    """Raise InputError, with `advice` as the remedy, if an object covers no pixel."""
    for covered, segment in zip(target.masks.flatten(1).any(1), annotation.segments, strict=True):
        if not covered:
            raise InputError(
                f"{json_path}: annotation id {segment.id} of {annotation.image_name} covers no pixel; {advice}"
            )
