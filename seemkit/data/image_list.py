"""The dataset of single image files without ground truth, for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from seemkit.data.loading.samplers import SampleKey, generator_of
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.errors import InputError
from seemkit.io.image import image_files, read_image
from seemkit.types import Target


class ImageFiles(Dataset[Sample]):
    """A user's images, each with an empty target that has its size and path.

    The EXIF orientation is applied, so results match the image as a viewer shows it.
    """

    def __init__(self, paths: str | Path | Sequence[str | Path], transform: Transform | None = None) -> None:
        """Keep the paths and check that the files exist.

        Args:
            paths: image files, or a folder of them.
            transform: function that changes image and target, for example `ResizeImage`, or None.

        Raises:
            InputError: a file is missing, or the folder has no image.
        """
        given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        self.paths = tuple(image_files(given[0]) if len(given) == 1 and given[0].is_dir() else given)
        self.transform = transform
        for path in self.paths:
            if not path.is_file():
                raise InputError(f"predict_images: {path} is no file and no folder of images; check the path")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Return the image uint8 [3, H, W] and a target of the same size without segments."""
        sample = SampleKey.of(key)
        path = self.paths[sample.position]
        image = read_image(path, upright=True)
        target = Target(
            masks=torch.zeros((0, *image.shape[-2:]), dtype=torch.bool),
            labels=torch.zeros(0, dtype=torch.int64),
            crowd=torch.zeros(0, dtype=torch.bool),
            name=str(path),
        )
        return self.transform(image, target, generator_of(sample, seed=0)) if self.transform else (image, target)
