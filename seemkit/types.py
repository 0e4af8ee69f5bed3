"""The plain data that the parts of seemkit exchange: sizes, classes, targets, batches, panoptic maps.

Nothing here runs a model. Coordinates are (x, y) in pixels of the original image, origin top-left, pixel centers at
+0.5. A *segment* is one thing instance or one stuff area of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor

Request = Literal["visual", "region", "text", "automatic"]
"""What a network is asked for: an object, by visual prompts in its image, by a region of another image or by a text; or
everything, without a prompt."""


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The class names of a data set in the order of its labels, and which of them are things.

    Attributes:
        names: K class names, for example ``("sky", "star")``.
        things: K flags; False means stuff.
    """

    names: tuple[str, ...]
    things: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.things):
            raise ValueError(f"vocabulary: {len(self.names)} names but {len(self.things)} thing flags")

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A referring expression: the text, the segment that it refers to, and tags for separate reporting.

    Attributes:
        text: the expression, for example ``"the red star left of the ring"``.
        segment: index into `Target.masks`.
        tags: labels such as ``("relation", "unseen")``; an evaluation reports each tag separately.
    """

    text: str
    segment: int
    tags: tuple[str, ...] = ()


Appearance = tuple[int, tuple[str, ...]]
"""What segments that look alike have in common: class and attributes."""


@dataclass(slots=True)
class Target:
    """The ground truth of one image.

    Attributes:
        masks: bool [N, H, W], one mask per segment.
        labels: int64 [N], indices into the vocabulary.
        crowd: bool [N], True for a group of things that is not separated (never trained on, excused in evaluation).
        phrases: referring expressions for segments of this image.
        name: the image's file name, for messages.
        areas: float64 [N], area of each segment as the instance annotation states it. It decides between small, medium
            and large; the area of an outline can differ from that of its mask. None if the annotation states no areas.
        attributes: words that describe each segment besides its class, for example its color; empty if the annotation
            has none for any segment.
        ignored: bool [H, W], pixels that the annotation assigns neither to an object nor to the background; no
            simulated user clicks on them, and the evaluation of clicks ignores them. None if there are no such pixels.
    """

    masks: Tensor
    labels: Tensor
    crowd: Tensor
    phrases: tuple[Phrase, ...] = ()
    name: str = ""
    areas: Tensor | None = None
    ignored: Tensor | None = None
    attributes: tuple[tuple[str, ...], ...] = ()

    def appearance(self, row: int) -> Appearance:
        """Return what this segment has in common with those that look alike."""
        return int(self.labels[row]), self.attributes[row] if self.attributes else ()

    @property
    def size(self) -> Size:
        """Height and width of the masks."""
        return Size(self.masks.shape[-2], self.masks.shape[-1])

    def to(self, device: torch.device | str) -> Self:
        """Return the same target with its tensors on `device`; `areas` stays where it is."""
        ignored = None if self.ignored is None else self.ignored.to(device)
        return replace(
            self,
            masks=self.masks.to(device),
            labels=self.labels.to(device),
            crowd=self.crowd.to(device),
            ignored=ignored,
        )


@dataclass(slots=True)
class Batch:
    """Images and their targets; images can differ in size.

    Attributes:
        images: one uint8 or float tensor [3, H, W] per image, RGB, values 0..255.
        targets: one target per image. In evaluation its masks keep the original size, even if the image was resized.
    """

    images: list[Tensor]
    targets: list[Target]

    def __len__(self) -> int:
        return len(self.images)

    def by_size(self) -> list[Self]:
        """Return one batch for each image size, in the order in which the sizes first appear."""
        places: dict[torch.Size, list[int]] = {}
        for place, image in enumerate(self.images):
            places.setdefault(image.shape, []).append(place)
        return [
            replace(self, images=[self.images[p] for p in chosen], targets=[self.targets[p] for p in chosen])
            for chosen in places.values()
        ]

    def to(self, device: torch.device | str, **_: object) -> Self:
        """Return the same batch with its tensors on `device`; see `Target.to`."""
        return replace(
            self, images=[image.to(device) for image in self.images], targets=[t.to(device) for t in self.targets]
        )

    def pin_memory(self) -> Self:
        """Return the same batch with its images in page-locked memory."""
        return replace(self, images=[image.pin_memory() for image in self.images])


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a panoptic map.

    Attributes:
        id: the segment's value in the map, at least 1.
        label: index into the vocabulary.
        crowd: True for an unseparated group in ground truth.
        attributes: words that describe the segment besides its class.
        score: confidence 0..1 of a predicted segment; 1 in ground truth.
    """

    id: int
    label: int
    crowd: bool = False
    score: float = 1.0
    attributes: tuple[str, ...] = ()

    @property
    def appearance(self) -> Appearance:
        """What this segment has in common with those that look alike."""
        return self.label, self.attributes


@dataclass(slots=True)
class Panoptic:
    """A map of segment ids, and the segment of each id.

    Attributes:
        ids: int64 [H, W]; 0 is void.
        segments: segments of the map, in the order of the annotation.
    """

    ids: Tensor
    segments: list[Segment] = field(default_factory=list)

    @classmethod
    def from_masks(cls, masks: Tensor, labels: Sequence[int], name: str = "") -> Self:
        """Return the panoptic map of masks that share no pixel, such as another program's prediction.

        Args:
            masks: bool [N, H, W], one mask per segment.
            labels: one index into the vocabulary per mask.
            name: name of the image, for messages.

        Raises:
            ValueError: two masks overlap, or the numbers of masks and labels differ.
        """
        if len(masks) != len(labels):
            raise ValueError(f"{name}: {len(masks)} masks but {len(labels)} labels")
        if shared := int((masks.sum(dim=0) > 1).sum()):
            raise ValueError(f"{name}: {shared} pixels are in several segments; give each pixel to one segment")
        rows = torch.arange(1, len(masks) + 1, device=masks.device)
        ids = (masks * rows[:, None, None]).sum(dim=0)
        return cls(ids, [Segment(index, label) for index, label in enumerate(labels, start=1)])

    @classmethod
    def from_target(cls, target: Target) -> Self:
        """Return the panoptic map of a target; where masks overlap, the later segment wins."""
        ids = torch.zeros(tuple(target.size), dtype=torch.int64, device=target.masks.device)
        for index, mask in enumerate(target.masks, start=1):
            ids[mask] = index
        pairs = zip(target.labels.tolist(), target.crowd.tolist(), strict=True)
        return cls(ids, [Segment(index, label, crowd) for index, (label, crowd) in enumerate(pairs, start=1)])


@dataclass(slots=True)
class Instances:
    """The detected things of one image.

    Attributes:
        masks: bool [N, H, W]; they can overlap.
        labels: int64 [N], indices into the vocabulary.
        scores: float [N], confidence 0..1, highest first.
        queries: int64 [N], the query that found each thing.
    """

    masks: Tensor
    labels: Tensor
    scores: Tensor
    queries: Tensor
