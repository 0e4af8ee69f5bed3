"""A folder in the COCO panoptic layout as a dataset."""

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
    """Images with panoptic masks and, where the folder has them, referring expressions.

    The folder holds ``<split>/`` with the images and ``annotations/`` with ``panoptic_<split>.json``, the PNGs in
    ``panoptic_<split>/`` (segment id = R + 256 G + 65536 B, 0 is void) and optionally ``refs_<split>.json``: ``{"refs":
    [{"image_id", "ann_id", "sentences": [{"sent"}], "tags"}]}`` where ``ann_id`` is a segment id and ``tags`` may be
    absent. Images and PNGs may lie in shards instead (see `seemkit.data.shards`). The JSONs and the presence of every
    file are checked at once, the pixels when a sample is read.

    Two more files may add to that. Each object of a grounding file gives its sentences to the segment, crowds left out,
    whose mask it overlaps most, if the intersection over union is at least 0.5, and is dropped otherwise. Objects of
    LVIS replace the masks of things whose box they overlap by more than 0.7; masks may overlap then.

    Attributes:
        png_folder: where the PNGs lie.
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
            root: the folder.
            split: for example "train2017".
            phrases: whether to read the referring expressions of the folder.
            transform: changes image and target.
            seed: of the transform's random choices.
            grounding: a JSON file of referred objects (see `Grounding`), whose phrases come behind the folder's.
            lvis: a JSON file of LVIS (see `Lvis`).
            lvis_choice: the "first" fitting object of LVIS replaces a mask, as in the official code, or the "best".
            exclude: files whose images are left out (see `read_image_ids`): the published models are trained without
                those of RefCOCOg's UMD val split.

        Raises:
            InputError: for a missing file or folder or a fault in a JSON, or if no image is left; it names file and
                field.
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
        """Image and PNG."""
        name = annotation.png_name
        return [*super().files(annotation), (member_name(name, PANOPTIC), self.png_folder / name)]

    def _read_target(self, annotation: PanopticAnnotation, size: Size) -> Target:
        target = super()._read_target(annotation, size)
        # phrases first: grounding files and panoptic masks come from the same drawings, LVIS's are others
        if self._grounding is not None:
            target = replace(target, phrases=target.phrases + self._grounding.phrases(annotation.image_id, target))
        if self._lvis is not None:
            target = replace(target, masks=self._lvis.masks(annotation.image_id, target, self.vocabulary))
        return target

    def _read_masks(self, annotation: PanopticAnnotation, size: Size) -> Tensor:
        """Masks bool [N, H, W] of the segments, in the order of the JSON."""
        path = self.png_folder / annotation.png_name
        ids = _read_ids(path)
        check_equal_size(path, Size(*ids.shape), self.image_folder / annotation.image_name, size)
        listed = {segment.id for segment in annotation.segments}
        drawn = set(np.unique(ids).tolist()) - {0}
        where = f"{self.json_path}: segments_info of image_id {annotation.image_id}"
        if absent := listed - drawn:
            raise InputError(f"{where}: id {min(absent)} has no pixel in {path.name}; remove it or draw it")
        if unlisted := drawn - listed:
            raise InputError(f"{where}: id {min(unlisted)} of {path.name} is absent; add it or set its pixels to 0")
        order = np.array([segment.id for segment in annotation.segments], dtype=np.int32)
        return torch.from_numpy(ids[None] == order[:, None, None])


def _read_ids(path: StoredFile) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """The segment ids int32 [H, W] of a panoptic PNG."""
    image = open_image(path)
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(f"{path}: has mode {image.mode}; a panoptic PNG is RGB with id = R + 256 G + 65536 B")
    red, green, blue = np.moveaxis(np.array(image, dtype=np.int32), -1, 0)[:3]
    return red + 256 * green + 65536 * blue
