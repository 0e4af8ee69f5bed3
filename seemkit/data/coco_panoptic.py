"""A folder in the COCO panoptic layout as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seemkit.data.coco_annotations import ImageAnnotation, read_panoptic_json, read_refs_json
from seemkit.data.images import open_image, read_image
from seemkit.data.samplers import SampleKey, generator_of
from seemkit.data.transforms import Sample, Transform
from seemkit.errors import InputError
from seemkit.types import Size, Target, Vocabulary


class CocoPanoptic(Dataset[Sample]):
    """Images with panoptic masks and, where the folder has them, referring expressions.

    The folder holds ``<split>/`` with the images and ``annotations/`` with ``panoptic_<split>.json``, the PNGs in
    ``panoptic_<split>/`` (segment id = R + 256 G + 65536 B, 0 is void) and optionally ``refs_<split>.json``: ``{"refs":
    [{"image_id", "ann_id", "sentences": [{"sent"}], "tags"}]}`` where ``ann_id`` is a segment id and ``tags`` may be
    absent. The JSONs and the presence of every file are checked at once, the pixels when a sample is read.

    Attributes:
        vocabulary: the categories by ascending id; a label is a position in it.
    """

    vocabulary: Vocabulary

    def __init__(
        self, root: str | Path, split: str, phrases: bool = True, transform: Transform | None = None, seed: int = 0
    ) -> None:
        """Read and check the annotations of one split.

        Args:
            root: the folder.
            split: for example "train2017".
            phrases: whether to read the referring expressions.
            transform: changes image and target.
            seed: of the transform's random choices, which depend on it, the epoch and the index alone.

        Raises:
            InputError: for a missing file or folder or a fault in a JSON; it names file and field.
        """
        annotations = Path(root) / "annotations"
        self.image_folder = Path(root) / split
        self.png_folder = annotations / f"panoptic_{split}"
        self.json_path = annotations / f"panoptic_{split}.json"
        for folder in (Path(root), self.image_folder, annotations, self.png_folder):
            if not folder.is_dir():
                raise InputError(f"{folder}: no such folder; check root and split")
        self.vocabulary, self.annotations = read_panoptic_json(self.json_path)
        for annotation in self.annotations:
            for path in (self.image_folder / annotation.image_name, self.png_folder / annotation.png_name):
                if not path.is_file():
                    raise InputError(f"{path}: no such file, but {self.json_path} lists it; add it")
        refs_path = annotations / f"refs_{split}.json"
        self._phrases = read_refs_json(refs_path, self.annotations) if phrases and refs_path.is_file() else {}
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Image uint8 [3, H, W] and its target, after the transform.

        Args:
            key: a position, or a `SampleKey` that also says in which epoch, which decides the random choices.

        Raises:
            InputError: if a file is damaged, or the PNG disagrees with image or JSON; it names file and field.
        """
        sample = SampleKey.of(key)
        annotation = self.annotations[sample.position]
        image = read_image(self.image_folder / annotation.image_name)
        target = Target(
            masks=self._read_masks(annotation, Size(*image.shape[-2:])),
            labels=torch.tensor([segment.label for segment in annotation.segments], dtype=torch.int64),
            crowd=torch.tensor([segment.crowd for segment in annotation.segments], dtype=torch.bool),
            phrases=self._phrases.get(annotation.image_id, ()),
            name=annotation.image_name,
        )
        if self.transform is None:
            return image, target
        return self.transform(image, target, generator_of(sample, self.seed))

    def _read_masks(self, annotation: ImageAnnotation, size: Size) -> Tensor:
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
