"""What all data modules share: how images are read for evaluation."""

from __future__ import annotations

from typing import ClassVar

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from seemkit.data.loading.loader import EvaluationLoader, collate, start_worker
from seemkit.data.loading.samplers import EvaluationSampler, SampleKey, rank_and_world
from seemkit.data.loading.transforms import Compose, ResizeImage, Sample
from seemkit.errors import InputError


class EvaluationDataModule(LightningDataModule):
    """Loaders that visit each sample of a dataset once, whose targets keep the original size.

    Attributes:
        evaluation_transform: what becomes of each image.
        only_tests: whether the data is for ``seemkit test`` alone.
    """

    only_tests: ClassVar[bool] = False

    def __init__(self, batch_size: int, num_workers: int, short_side: int | None, long_side: int | None) -> None:
        """Keep the settings.

        Args:
            batch_size: images a step and process.
            num_workers: processes that read images; 0 reads in the main process.
            short_side: shorter side of the images in pixels; None keeps the original size.
            long_side: bound on the longer side; needs `short_side`.

        Raises:
            InputError: if a setting is out of its range.
        """
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
            if value < least:
                raise InputError(f"{name}: is {value}; use at least {least}")
        if long_side is not None and short_side is None:
            raise InputError("long_side: is set without short_side; set both or none")
        self.batch_size, self.num_workers = batch_size, num_workers
        self.evaluation_transform = Compose([] if short_side is None else [ResizeImage(short_side, long_side)])

    def setup(self, stage: str) -> None:
        """Nothing, if the data is for this stage.

        Raises:
            InputError: it is for tests only.
        """
        if self.only_tests and stage != "test":
            raise InputError(f"data: {type(self).__name__} is for measuring and has no other use; run seemkit test")

    def evaluation_loader(
        self, dataset: Dataset[Sample], sampler: Sampler[SampleKey] | None = None
    ) -> DataLoader[Sample]:
        """Batches in the order of the dataset, each sample once over all processes.

        Args:
            dataset: has a length.
            sampler: which samples this process gets; None deals them out in turn.
        """
        if sampler is None:
            sampler = EvaluationSampler(len(dataset), *rank_and_world())  # type: ignore[arg-type]  # all have a length
        return EvaluationLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
            worker_init_fn=start_worker,
        )
