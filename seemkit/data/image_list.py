"""The dataset of single image files without ground truth, for prediction."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch.utils.data import Dataset

from seemkit.data.loading.samplers import SampleKey, generator_of
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.errors import InputError
from seemkit.io.image import image_files, read_image
from seemkit.io.storage import StoredFile
from seemkit.types import Target


class ImageFiles(Dataset[Sample | None]):
    """Images, each with an empty target that has its size and name.

    Attributes:
        files: the image files.
        names: their names, all different.
        source: what the images are of; empty if the names are paths.
    """

    def __init__(
        self,
        files: Sequence[StoredFile],
        names: Sequence[str],
        transform: Transform | None = None,
        upright: bool = False,
        source: str = "",
    ) -> None:
        """Keep the files.

        Args:
            files: the image files, in a folder or in shards.
            names: their names, in `source`.
            transform: function that changes image and target, for example `ResizeImage`, or None.
            upright: whether to apply the EXIF orientation; see `read_image`.
            source: what the images are of; empty if the names are paths.
        """
        self.files, self.names, self.source = tuple(files), tuple(names), source
        self.transform, self.upright = transform, upright

    @classmethod
    def of_user(cls, paths: str | Path | Sequence[str | Path], transform: Transform | None = None) -> Self:
        """Return a user's images by their paths, upright, so that results match the images as a viewer shows them.

        Args:
            paths: image files, or a folder of them.
            transform: see the class.

        Raises:
            InputError: a file is missing, or the folder has no image.
        """
        given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
        files = image_files(given[0]) if len(given) == 1 and given[0].is_dir() else given
        for path in files:
            if not path.is_file():
                raise InputError(f"predict_images: {path} is no file and no folder of images; check the path")
        return cls(files, [str(path) for path in files], transform, upright=True)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: int | SampleKey) -> Sample | None:
        """Return the image uint8 [3, H, W] and a target of the same size without segments.

        An image that cannot be read is None, and a line on standard error says why, so that it does not end the run.
        """
        sample = SampleKey.of(key)
        try:
            image = read_image(self.files[sample.position], self.upright)
        except InputError as error:
            print(f"skipped: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return None
        target = Target(
            masks=torch.zeros((0, *image.shape[-2:]), dtype=torch.bool),
            labels=torch.zeros(0, dtype=torch.int64),
            crowd=torch.zeros(0, dtype=torch.bool),
            name=self.names[sample.position],
        )
        return self.transform(image, target, generator_of(sample, seed=0)) if self.transform else (image, target)
