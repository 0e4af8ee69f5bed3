"""Data module of the built-in scenes, which are generated on first use instead of downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seemkit.data.datamodules.coco import CocoDataModule
from seemkit.data.scenes import write_scenes


class ScenesDataModule(CocoDataModule):
    """Loaders over generated scenes, which are written to a cache folder before the first use."""

    def __init__(
        self,
        root: str | None = None,
        *,
        images_train: int = 4000,
        images_val: int = 64,
        images_test: int = 200,
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        short_side: int | None = None,
        long_side: int | None = None,
        flip: float = 0.5,
        predict_images: str | Sequence[str] | None = None,
    ) -> None:
        """Store the settings.

        Args:
            root: folder for the scenes; None means ``seemkit/scenes-<train>-<val>-<test>-<seed>`` in the user's cache
                folder (``$XDG_CACHE_HOME`` or ``~/.cache``).
            images_train: number of images for training.
            images_val: number of images for validation.
            images_test: number of images for the test.
            batch_size: images per step and process.
            num_workers: processes that read images; 0 reads in the main process.
            seed: seed of scenes, order and augmentation, at least 0.
            short_side: as in `CocoDataModule`.
            long_side: as in `CocoDataModule`.
            flip: probability of a horizontal flip in training.
            predict_images: image files for prediction, or a folder of them; None means the test split.

        Raises:
            InputError: a setting is out of its range.
        """
        self.images = {"train": images_train, "val": images_val, "test": images_test}
        super().__init__(
            root or str(_cache_folder() / "-".join(map(str, ["scenes", *self.images.values(), seed]))),
            batch_size=batch_size,
            num_workers=num_workers,
            seed=seed,
            short_side=short_side,
            long_side=long_side,
            flip=flip,
            predict_images=predict_images,
        )

    def check_folders(self, stage: str) -> None:
        """Do nothing: the folder is made when it is needed."""

    def prepare_data(self) -> None:
        """Write the scenes unless the folder already holds them."""
        write_scenes(self.root, self.images, seed=self.seed)


def _cache_folder() -> Path:
    """Return the folder of this package in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seemkit"
