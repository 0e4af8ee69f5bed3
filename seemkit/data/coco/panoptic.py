"""The dataset of a folder in the COCO panoptic layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seemkit.data.coco.annotations import PanopticAnnotation, read_panoptic_json, read_refs_json
from seemkit.data.coco.base import CocoImages, check_folders
from seemkit.data.coco.excluded_images import without_images
from seemkit.data.coco.grounding import Grounding
from seemkit.data.coco.lvis import Lvis, LvisChoice
from seemkit.data.loading.transforms import Transform
from seemkit.data.shards.files import open_split
from seemkit.data.shards.index import PANOPTIC, member_name
from seemkit.errors import InputError
from seemkit.io.image import check_equal_size, open_image
from seemkit.io.storage import StoredFile
from seemkit.types import Size, Target


class CocoPanoptic(CocoImages[PanopticAnnotation]):
    """Images with panoptic masks and optional referring expressions.

    The folder contains ``<split>/`` with the images and ``annotations/`` with ``panoptic_<split>.json`` and the PNGs in
    ``panoptic_<split>/`` (segment id = R + 256 G + 65536 B, 0 is void). ``annotations/`` can also contain
    ``refs_<split>.json``: ``{"refs": [{"image_id", "ann_id", "sentences": [{"sent"}], "tags"}]}``, where ``ann_id`` is
    a segment id and ``tags`` is optional. Images and PNGs can be in shards instead (see `seemkit.data.shards`). The
    constructor checks the JSON files and that every file exists. Pixels are checked when a sample is read.

    Two more files are optional. A grounding file adds phrases: the sentences of an object go to the segment, crowds
    excluded, with the highest IoU of masks; an object with an IoU below 0.5 is dropped. An LVIS file replaces the masks
    of things by LVIS objects whose boxes overlap with an IoU above 0.7; masks can then overlap.

    Attributes:
        png_folder: folder of the PNGs.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        phrases: bool = True,
        transform: Transform | None = None,
        seed: int = 0,
        *,
        grounding: str | Path | None = None,
        lvis: str | Path | None = None,
        lvis_choice: LvisChoice = "first",
        exclude: Sequence[str | Path] = (),
    ) -> None:
        """Read and check the annotations of one split.

        Args:
            root: folder of the dataset.
            split: name of the split, for example "train2017".
            phrases: whether to read the referring expressions of the folder.
            transform: function that changes image and target, or None.
            seed: seed of the transform's random choices.
            grounding: JSON file of referred objects (see `Grounding`); their phrases come after the folder's.
            lvis: LVIS JSON file (see `Lvis`).
            lvis_choice: LVIS object that replaces a mask: the "first" match, as in the official code, or the "best".
            exclude: files whose images are skipped (see `read_image_ids`). The published models were trained without
                the images of RefCOCOg's UMD val split.

        Raises:
            InputError: a file or folder is missing, a JSON file is faulty, or no image is left; the message names file
                and field.
        """
        annotations = Path(root) / "annotations"
        json_path = annotations / f"panoptic_{split}.json"
        images, self.png_folder = open_split(Path(root), split)
        check_folders(Path(root), images, annotations, self.png_folder)
        vocabulary, found = read_panoptic_json(json_path)
        refs_path = annotations / f"refs_{split}.json"
        refs = read_refs_json(refs_path, found, json_path) if phrases and refs_path.is_file() else {}
        found = without_images(found, exclude)
        super().__init__(images, json_path, vocabulary, found, refs, transform, seed)
        ids = {annotation.image_id for annotation in found}
        self._grounding = None if grounding is None else Grounding(grounding, ids)
        self._lvis = None if lvis is None else Lvis(lvis, found, lvis_choice)

    def files(self, annotation: PanopticAnnotation) -> list[tuple[str, StoredFile]]:
        """Return the image and the PNG, each with its member name in a shard."""
        name = annotation.png_name
        return [*super().files(annotation), (member_name(name, PANOPTIC), self.png_folder / name)]

    def _read_target(self, annotation: PanopticAnnotation, size: Size) -> Target:
        target = super()._read_target(annotation, size)
        # match phrases before LVIS replaces masks: grounding files were drawn from the same masks as the PNGs
        if self._grounding is not None:
            target = replace(target, phrases=target.phrases + self._grounding.phrases(annotation.image_id, target))
        if self._lvis is not None:
            target = replace(target, masks=self._lvis.masks(annotation.image_id, target, self.vocabulary))
        return target

    def _read_masks(self, annotation: PanopticAnnotation, size: Size) -> Tensor:
        """Return the masks bool [N, H, W] of the segments, in the order of the JSON."""
        path = self.png_folder / annotation.png_name
        ids = _read_ids(path)
        check_equal_size(path, Size(*ids.shape), self.image_folder / annotation.image_name, size)
        listed = {segment.id for segment in annotation.segments}
        drawn = set(np.unique(ids).tolist()) - {0}
        where = f"{self.json_path}: segments_info of image_id {annotation.image_id}"
        if absent := listed - drawn:
            raise InputError(f"{where}: id {min(absent)} has no pixel in {path.name}; remove it or draw it")
        if unlisted := drawn - listed:
            raise InputError(f"{where}: id {min(unlisted)} of {path.name} is missing; add it or set its pixels to 0")
        order = np.array([segment.id for segment in annotation.segments], dtype=np.int32)
        return torch.from_numpy(ids[None] == order[:, None, None])


def _read_ids(path: StoredFile) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the segment ids int32 [H, W] of a panoptic PNG."""
    image = open_image(path)
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(f"{path}: has mode {image.mode}; a panoptic PNG must be RGB with id = R + 256 G + 65536 B")
    red, green, blue = np.moveaxis(np.array(image, dtype=np.int32), -1, 0)[:3]
    return red + 256 * green + 65536 * blue
