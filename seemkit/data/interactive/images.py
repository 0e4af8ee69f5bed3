"""The dataset of images and their objects."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import Dataset

from seemkit.data.interactive.layout import Layout, Pair
from seemkit.data.loading.samplers import SampleKey, generator_of
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.io.image import read_image
from seemkit.types import Target


class InteractiveImages(Dataset[Sample]):
    """The images of a folder, each with a target of its objects.

    Attributes:
        layout: layout of the folder.
        transform: function that changes image and target, or None.
        samples: files of each sample, with the slice of the image's objects in it.
    """

    def __init__(
        self,
        root: str | Path,
        layout: Layout,
        transform: Transform | None = None,
        objects_per_image: int | None = None,
    ) -> None:
        """List the images of a folder.

        Args:
            root: folder of the images.
            layout: layout of the folder.
            transform: function that changes image and target, or None; for evaluation, one that keeps the target, such
                as `ResizeImage`.
            objects_per_image: largest number of objects in a sample, at least 1, or None for all. An image with more
                objects gives several samples, by ascending object index; an image without objects gives none. The
                constructor then reads all annotations; with None they are read with their images. SEEM's protocol uses
                5 (official code: evaluation on Pascal VOC).

        Raises:
            InputError: a file is missing or faulty; the message names the file.
        """
        self.layout, self.transform = layout, transform
        self.samples: list[tuple[Pair, slice]] = []
        for pair in layout.find(Path(root)):
            if objects_per_image is None:
                self.samples.append((pair, slice(None)))
                continue
            starts = range(0, len(layout.read(pair).labels), objects_per_image)
            self.samples += [(pair, slice(start, start + objects_per_image)) for start in starts]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Return the image uint8 [3, H, W] and the target of its objects, after the transform.

        Raises:
            InputError: a file is damaged, or image and annotation disagree; the message names the file.
        """
        sample = SampleKey.of(key)
        pair, part = self.samples[sample.position]
        image, objects = read_image(pair.image), self.layout.read(pair)
        chosen = list(objects.labels)[part]
        target = Target(
            masks=objects.indices == torch.tensor(chosen, dtype=objects.indices.dtype)[:, None, None],
            labels=torch.tensor([objects.labels[index] for index in chosen], dtype=torch.int64),
            crowd=torch.zeros(len(chosen), dtype=torch.bool),
            name=pair.image.name,
            ignored=objects.ignored,
        )
        return self.transform(image, target, generator_of(sample, seed=0)) if self.transform else (image, target)
