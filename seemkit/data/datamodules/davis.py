"""Data module of DAVIS."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from torch.utils.data import DataLoader

from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.data.davis.dataset import VOCABULARY, DavisFrames
from seemkit.data.loading.samplers import SequenceSampler, rank_and_world
from seemkit.data.loading.transforms import Sample
from seemkit.types import Vocabulary


class DavisDataModule(EvaluationDataModule):
    """Test loader over a split of DAVIS (see `DavisFrames`): frame by frame, whole sequences per process."""

    only_tests = True

    def __init__(
        self,
        root: str,
        *,
        year: Literal[2016, 2017] = 2017,
        split: str = "val",
        num_workers: int = 0,
        short_side: int | None = None,
        long_side: int | None = None,
    ) -> None:
        """Store the settings; files are read when the loader is first requested.

        Args:
            root: the folder of DAVIS.
            year: 2016 (one object per video) or 2017 (several).
            split: name of the split, for example "val".
            num_workers: as in `CocoDataModule`.
            short_side: as in `CocoDataModule`.
            long_side: as in `CocoDataModule`.

        Raises:
            InputError: a setting is out of its range.
        """
        super().__init__(1, num_workers, short_side, long_side)
        self.root, self.year, self.split = root, year, split

    @property
    def vocabulary(self) -> Vocabulary:
        """One thing, "object"."""
        return VOCABULARY

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return a loader of single frames; a process gets whole sequences with their frames in order, or none.

        Raises:
            InputError: a file is missing or faulty; the message names the file.
        """
        return self.evaluation_loader(self._frames, SequenceSampler(self._frames.lengths, *rank_and_world()))

    @cached_property
    def _frames(self) -> DavisFrames:
        return DavisFrames(self.root, self.year, self.split, self.evaluation_transform)
