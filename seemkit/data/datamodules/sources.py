"""Sources of training data: a split of a folder, with one class for each format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.instances import CocoInstances
from seemkit.data.coco.lvis import LvisChoice
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.coco.splits import open_split
from seemkit.data.loading.transforms import Transform
from seemkit.data.refcoco.dataset import RefCoco
from seemkit.errors import InputError


@dataclass(frozen=True)
class Source(ABC):
    """A split of a folder.

    Attributes:
        root: path of the folder.
        split: name of the split, for example ``train2017``.
        weight: relative frequency of the images of this source; with equal weights, all images are drawn equally often.

    Raises:
        InputError: the weight is not above 0.
    """

    root: str
    split: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise InputError(f"sources: {self.root}: weight is {self.weight}; use a number above 0 or omit it")

    @abstractmethod
    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Return the dataset.

        Args:
            transform: function that changes image and target, or None.
            seed: seed of the transform's random choices.

        Raises:
            InputError: a file is missing or faulty; the message names the file and the field.
        """


@dataclass(frozen=True)
class CocoSource(Source):
    """A split in the COCO panoptic or COCO instance layout; if the folder has both, panoptic wins.

    Images are files, or are in shards (`seemkit.data.shards`).
    """

    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Return the dataset; see `Source.open`."""
        return open_split(Path(self.root), self.split, transform=transform, seed=seed)


@dataclass(frozen=True)
class CocoPanopticSource(Source):
    """A split in the COCO panoptic layout, ``annotations/panoptic_<split>.json``, with optional further annotations.

    Attributes:
        grounding: JSON file of referred objects (`seemkit.data.coco.grounding.Grounding`).
        lvis: LVIS JSON file, whose masks replace those of things (`seemkit.data.coco.lvis.Lvis`).
        lvis_choice: which of several matching LVIS objects to use; the reference uses the first.
        exclude: files that list images to skip (`seemkit.data.coco.excluded_images`).
    """

    grounding: str | None = None
    lvis: str | None = None
    lvis_choice: LvisChoice = "first"
    exclude: tuple[str, ...] = ()

    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Return the dataset; see `Source.open`."""
        return CocoPanoptic(
            self.root,
            self.split,
            transform=transform,
            seed=seed,
            grounding=self.grounding,
            lvis=self.lvis,
            lvis_choice=self.lvis_choice,
            exclude=self.exclude,
        )


@dataclass(frozen=True)
class CocoInstancesSource(Source):
    """A split in the COCO instance layout, ``annotations/instances_<split>.json``.

    Attributes:
        skip_empty: whether to skip objects without pixels instead of raising an error.
        labeled_within: class outside of whose masks the annotation is incomplete; see `CocoInstances`.
    """

    skip_empty: bool = False
    labeled_within: str | None = None

    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Return the dataset; see `Source.open`."""
        return CocoInstances(
            self.root,
            self.split,
            transform=transform,
            seed=seed,
            skip_empty=self.skip_empty,
            labeled_within=self.labeled_within,
        )


@dataclass(frozen=True)
class RefCocoSource(Source):
    """A split of a RefCOCO release; `root` is the folder of the releases.

    Attributes:
        release: ``refcoco``, ``refcoco+`` or ``refcocog``.
        split_by: authors of the splits: ``unc``, ``umd`` or ``google``.
        images: folder of the images; None is ``<root>/images/mscoco/images/train2014``.
    """

    release: str = "refcoco"
    split_by: str = "unc"
    images: str | None = None

    def open(self, transform: Transform | None = None, seed: int = 0) -> CocoImages[Any]:
        """Return the dataset; see `Source.open`."""
        return RefCoco(self.root, self.release, self.split_by, self.split, self.images, transform=transform, seed=seed)
