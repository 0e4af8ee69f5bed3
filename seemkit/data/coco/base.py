"""The base class of the datasets with COCO JSON files: reads images by name, leaves masks to the subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from seemkit.data.coco.annotations import ImageAnnotation, ImageId
from seemkit.data.loading.samplers import SampleKey, generator_of
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.data.shards.files import ShardFolder
from seemkit.data.shards.index import member_name
from seemkit.errors import InputError
from seemkit.io.image import read_image
from seemkit.io.storage import StoredFile, StoredFolder
from seemkit.types import Phrase, Size, Target, Vocabulary

A = TypeVar("A", bound=ImageAnnotation)


class CocoImages(Dataset[Sample], ABC, Generic[A]):
    """Images of one folder, each with its annotation from a JSON file.

    Attributes:
        vocabulary: categories by ascending id; a label is a position in it.
        annotations: one annotation per image, in the order of the samples.
        image_folder: folder of the images.
        json_path: file of the annotations, for messages.
        transform: function that changes image and target, or None.
        seed: seed of the transform's random choices, which depend only on seed, epoch and index.
    """

    def __init__(
        self,
        image_folder: StoredFolder,
        json_path: Path,
        vocabulary: Vocabulary,
        annotations: Sequence[A],
        phrases: Mapping[ImageId, tuple[Phrase, ...]],
        transform: Transform | None,
        seed: int,
    ) -> None:
        """Keep the annotations and check that all files exist.

        Args:
            image_folder: folder of the images.
            json_path: file of the annotations.
            vocabulary: the categories.
            annotations: one annotation per image.
            phrases: phrases by image id; images without phrases can be omitted.
            transform: function that changes image and target, or None.
            seed: seed of the transform's random choices.

        Raises:
            InputError: a file is missing.
        """
        self.image_folder, self.json_path = image_folder, json_path
        self.vocabulary, self.annotations = vocabulary, annotations
        self.transform, self.seed = transform, seed
        self._phrases = phrases
        for annotation in annotations:
            for _, file in self.files(annotation):
                self._check_file(file)

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Return the image uint8 [3, H, W] and its target, after the transform.

        Args:
            key: position, or a `SampleKey` with position and epoch; the epoch determines the random choices.

        Raises:
            InputError: a file is damaged, or image and annotation disagree; the message names file and field.
        """
        sample = SampleKey.of(key)
        annotation = self.annotations[sample.position]
        image = read_image(self.image_folder / annotation.image_name)
        target = self._read_target(annotation, Size(*image.shape[-2:]))
        if self.transform is None:
            return image, target
        return self.transform(image, target, generator_of(sample, self.seed))

    def _read_target(self, annotation: A, size: Size) -> Target:
        """Return the target of an image of this size."""
        attributes = tuple(segment.attributes for segment in annotation.segments)
        return Target(
            masks=self._read_masks(annotation, size),
            labels=torch.tensor([segment.label for segment in annotation.segments], dtype=torch.int64),
            crowd=torch.tensor([segment.crowd for segment in annotation.segments], dtype=torch.bool),
            phrases=self._phrases.get(annotation.image_id, ()),
            name=annotation.image_name,
            attributes=attributes if any(attributes) else (),
        )

    def files(self, annotation: A) -> list[tuple[str, StoredFile]]:
        """Return the files of an annotation's sample, each with its member name in a shard."""
        name = annotation.image_name
        return [(member_name(name), self.image_folder / name)]

    @property
    def shards(self) -> Tensor | None:
        """Shard number of each sample's image, int64 [N]; None if the images are not in shards."""
        folder = self.image_folder
        if not isinstance(folder, ShardFolder):
            return None
        return torch.tensor([folder.shard_of(annotation.image_name) for annotation in self.annotations])

    @abstractmethod
    def _read_masks(self, annotation: A, size: Size) -> Tensor:
        """Return the masks bool [N, H, W] of the segments, in the order of the annotation."""

    def _check_file(self, file: StoredFile) -> None:
        """Raise InputError if a listed file is missing."""
        if not file.is_file():
            advice = "add it" if isinstance(file, Path) else "run seemkit data shard again on a folder that has it"
            raise InputError(f"{file}: no such file, but {self.json_path} lists it; {advice}")


def nothing_to(purpose: str, crowds: int) -> str:
    """Return the fault of data without a segment that is no crowd, for messages.

    Args:
        purpose: what such segments are for, for example "train on".
        crowds: number of the other segments.
    """
    what = f"all {crowds} segments are crowds ('iscrowd': 1)" if crowds else "there is no segment"
    return f"{what}, so there is nothing to {purpose}; annotate single objects"


def check_annotated(datasets: Sequence[CocoImages[Any]], purpose: str) -> None:
    """Raise InputError unless some dataset has a segment that is no crowd; see `nothing_to`."""
    crowds = 0
    for dataset in datasets:
        for annotation in dataset.annotations:
            if not all(segment.crowd for segment in annotation.segments):
                return
            crowds += len(annotation.segments)
    raise InputError(f"{datasets[0].json_path}: {nothing_to(purpose, crowds)}")


def check_folders(*folders: StoredFolder) -> None:
    """Raise InputError if a folder is missing; shards are skipped, as reading their index checks them."""
    for folder in folders:
        if isinstance(folder, Path) and not folder.is_dir():
            raise InputError(f"{folder}: no such folder; check root and split")
