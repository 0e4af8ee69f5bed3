"""A folder in the COCO panoptic layout as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seemkit.data.coco_annotations import PanopticAnnotation, read_panoptic_json, read_refs_json
from seemkit.data.coco_images import CocoImages, check_folders
from seemkit.data.images import open_image
from seemkit.data.transforms import Transform
from seemkit.errors import InputError
from seemkit.types import Size


class CocoPanoptic(CocoImages[PanopticAnnotation]):
    """Images with panoptic masks and, where the folder has them, referring expressions.

    The folder holds ``<split>/`` with the images and ``annotations/`` with ``panoptic_<split>.json``, the PNGs in
    ``panoptic_<split>/`` (segment id = R + 256 G + 65536 B, 0 is void) and optionally ``refs_<split>.json``: ``{"refs":
    [{"image_id", "ann_id", "sentences": [{"sent"}], "tags"}]}`` where ``ann_id`` is a segment id and ``tags`` may be
    absent. The JSONs and the presence of every file are checked at once, the pixels when a sample is read.

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
    ) -> None:
        """Read and check the annotations of one split.

        Args:
            root: the folder.
            split: for example "train2017".
            phrases: whether to read the referring expressions of the folder.
            transform: changes image and target.
            seed: of the transform's random choices.

        Raises:
            InputError: for a missing file or folder or a fault in a JSON; it names file and field.
        """
        annotations = Path(root) / "annotations"
        images, json_path = Path(root) / split, annotations / f"panoptic_{split}.json"
        self.png_folder = annotations / f"panoptic_{split}"
        check_folders(Path(root), images, annotations, self.png_folder)
        vocabulary, found = read_panoptic_json(json_path)
        refs_path = annotations / f"refs_{split}.json"
        refs = read_refs_json(refs_path, found, json_path) if phrases and refs_path.is_file() else {}
        super().__init__(images, json_path, vocabulary, found, refs, transform, seed)
        for annotation in found:
            self._check_file(self.png_folder / annotation.png_name)

    def _read_masks(self, annotation: PanopticAnnotation, size: Size) -> Tensor:
        """Masks bool [N, H, W] of the segments, in the order of the JSON."""
        path = self.png_folder / annotation.png_name
        ids = _read_ids(path)
        if ids.shape != size:
            raise InputError(
                f"{path}: is {ids.shape[1]} by {ids.shape[0]} pixels but {annotation.image_name} is "
                f"{size.width} by {size.height}; make them equal"
            )
        listed = {segment.id for segment in annotation.segments}
        drawn = set(np.unique(ids).tolist()) - {0}
        where = f"{self.json_path}: segments_info of image_id {annotation.image_id}"
        if absent := listed - drawn:
            raise InputError(f"{where}: id {min(absent)} has no pixel in {path.name}; remove it or draw it")
        if unlisted := drawn - listed:
            raise InputError(f"{where}: id {min(unlisted)} of {path.name} is absent; add it or set its pixels to 0")
        order = np.array([segment.id for segment in annotation.segments], dtype=np.int32)
        return torch.from_numpy(ids[None] == order[:, None, None])


def _read_ids(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """The segment ids int32 [H, W] of a panoptic PNG."""
    image = open_image(path)
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(f"{path}: has mode {image.mode}; a panoptic PNG is RGB with id = R + 256 G + 65536 B")
    red, green, blue = np.moveaxis(np.array(image, dtype=np.int32), -1, 0)[:3]
    return red + 256 * green + 65536 * blue
