"""Data module of RefCOCO, RefCOCO+ and RefCOCOg, for tests."""

from __future__ import annotations

from functools import cached_property

from torch.utils.data import DataLoader

from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.data.loading.transforms import Sample
from seemkit.data.refcoco.dataset import RefCoco
from seemkit.types import Vocabulary


class ReferringDataModule(EvaluationDataModule):
    """Test loader over one split of a release of RefCOCO (see `RefCoco`)."""

    only_tests = True

    def __init__(
        self,
        root: str,
        *,
        release: str = "refcocog",
        split_by: str = "umd",
        split: str = "val",
        images: str | None = None,
        first_sentence: bool = True,
        batch_size: int = 1,
        num_workers: int = 0,
        short_side: int | None = None,
        long_side: int | None = None,
    ) -> None:
        """Store the settings; files are read when the loader is first requested.

        Args:
            root: the folder of the releases.
            release: as in `RefCoco`.
            split_by: as in `RefCoco`.
            split: as in `RefCoco`, for example "val" or "testA".
            images: as in `RefCoco`.
            first_sentence: whether to use only the first sentence of each ref, as the reference does.
            batch_size: images per step and process.
            num_workers: as in `CocoDataModule`.
            short_side: as in `CocoDataModule`.
            long_side: as in `CocoDataModule`.

        Raises:
            InputError: a setting is out of its range.
        """
        super().__init__(batch_size, num_workers, short_side, long_side)
        self.root, self.release, self.split_by, self.split = root, release, split_by, split
        self.images, self.first_sentence = images, first_sentence

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the release."""
        return self._dataset.vocabulary

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return a loader in the order of the images, which visits each image once over all processes.

        Raises:
            InputError: a file is missing or faulty; the message names the file.
        """
        return self.evaluation_loader(self._dataset)

    @cached_property
    def _dataset(self) -> RefCoco:
        return RefCoco(
            self.root,
            self.release,
            self.split_by,
            self.split,
            self.images,
            self.first_sentence,
            transform=self.evaluation_transform,
        )
