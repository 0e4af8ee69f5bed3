"""What every file format of results has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from seemkit.inference.prediction import Prediction
from seemkit.types import Size, Vocabulary


@dataclass(frozen=True, slots=True)
class SegmentedImage:
    """An image file and what was found in it.

    Attributes:
        path: the image file.
        size: size of the image and of all masks.
        found: the predictions.
        vocabulary: classes that the labels are from; None if there are none. Labels can also be other words.
        names: for each prediction the name of its object, or None; empty if everything was segmented.
        prompts: the prompts of each object as JSON, by its name; empty if everything was segmented.
        picture: the image with the masks drawn in, uint8 [3, H, W], or None.
    """

    path: Path
    size: Size
    found: Sequence[Prediction]
    vocabulary: Vocabulary | None = None
    names: Sequence[str | None] = ()
    prompts: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    picture: Tensor | None = None


class Categories:
    """The class names of results, in the order of their indices from 0.

    The classes of the vocabulary come first. Other labels, such as phrases, follow in the order in which they occur.
    """

    def __init__(self) -> None:
        self.things: dict[str, bool] = {}

    def learn(self, vocabulary: Vocabulary | None) -> None:
        """Add the classes of a vocabulary."""
        if vocabulary is not None:
            for name, thing in zip(vocabulary.names, vocabulary.things, strict=True):
                self.things.setdefault(name, thing)

    @property
    def names(self) -> list[str]:
        """Names of the classes so far."""
        return list(self.things)

    def index(self, label: str) -> int:
        """Return the index of a label, which becomes a class of things if it is new."""
        self.things.setdefault(label, True)
        return self.names.index(label)

    def records(self) -> list[dict[str, Any]]:
        """Return the ``categories`` of a COCO file, whose ids are the indices + 1."""
        return [
            {"id": number, "name": name, "isthing": int(thing), "supercategory": ""}
            for number, (name, thing) in enumerate(self.things.items(), start=1)
        ]


class Format(ABC):
    """Writes the results of one or more images to a folder.

    A file is written completely or not at all. Files for single images are written when these are added, files for all
    images at the end.

    Args:
        folder: the folder to write to, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.categories = Categories()

    def add(self, image: SegmentedImage) -> None:
        """Add the results of an image; images need names that differ without their suffixes.

        Raises:
            OSError: a file cannot be written.
        """
        self.categories.learn(image.vocabulary)
        self._add(image)

    @abstractmethod
    def _add(self, image: SegmentedImage) -> None:
        """Add the results of an image, whose vocabulary is known."""

    @abstractmethod
    def finish(self) -> None:
        """Write the files that belong to all images.

        Raises:
            OSError: a file cannot be written.
        """
