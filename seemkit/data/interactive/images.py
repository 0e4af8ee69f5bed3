"""Images and their objects as a dataset."""

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
        layout: of the folder.
        transform: changes image and target; None leaves them.
        samples: for each sample its files and which of the image's objects it has.
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
            root: the folder.
            layout: of the folder.
            transform: changes image and target; for evaluation one that leaves the target, such as `ResizeImage`.
            objects_per_image: most objects of a sample, at least 1; an image with more comes several times, with the
                next of its objects by ascending index. SEEM's protocol has 5 (official code: evaluation on Pascal VOC).
                All annotations are then read here, and an image without objects is left out. None means all in one
                sample, and annotations are read with their images.

        Raises:
            InputError: a file is missing or found faulty; it names the file.
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
        """Image uint8 [3, H, W] and the target of its objects, after the transform.

        Raises:
            InputError: a file is damaged, or image and annotation disagree; it names the file.
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
