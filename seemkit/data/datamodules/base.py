"""Base of all data modules: reading of images for evaluation."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from seemkit.data.loading.loader import EvaluationLoader, collate, start_worker
from seemkit.data.loading.samplers import EvaluationSampler, SampleKey, rank_and_world
from seemkit.data.loading.transforms import Compose, ResizeImage, Sample
from seemkit.errors import InputError
from seemkit.types import Batch


class EvaluationDataModule(LightningDataModule):
    """Loaders that visit each sample of a dataset once, with targets of the original size.

    Attributes:
        evaluation_transform: transform of each sample.
        sides: shorter side of the images in pixels and limit of the longer side, or None.
        only_tests: whether the data is for ``seemkit test`` only.
    """

    only_tests: ClassVar[bool] = False

    def __init__(self, batch_size: int, num_workers: int, short_side: int | None, long_side: int | None) -> None:
        """Store the settings.

        Args:
            batch_size: images per step and process.
            num_workers: processes that read images; 0 reads in the main process.
            short_side: shorter side of the images in pixels; None keeps the original size.
            long_side: limit of the longer side in pixels; needs `short_side`.

        Raises:
            InputError: a setting is out of its range.
        """
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
            if value < least:
                raise InputError(f"{name}: is {value}; use at least {least}")
        if long_side is not None and short_side is None:
            raise InputError("long_side: is set without short_side; set both or none")
        self.batch_size, self.num_workers = batch_size, num_workers
        self.sides = (short_side, long_side)
        self.evaluation_transform = Compose([] if short_side is None else [ResizeImage(short_side, long_side)])

    def setup(self, stage: str) -> None:
        """Raise InputError unless the data is for this stage.

        Raises:
            InputError: the data is for tests only, and the stage is another one.
        """
        if self.only_tests and stage != "test":
            raise InputError(f"data: {type(self).__name__} is for tests only; run seemkit test")

    def check_folders(self, stage: str) -> None:
        """Raise InputError if a folder of this stage is missing; called before the network is built.

        Args:
            stage: "fit", "validate", "test" or "predict".
        """

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch to the device; in training the images alone.

        Prompts are drawn from the targets on the host, which would otherwise wait for the device for every object.
        """
        if self.trainer is not None and self.trainer.training:
            return Batch([image.to(device, non_blocking=True) for image in batch.images], batch.targets)
        return batch.to(device)

    def evaluation_loader(self, dataset: Dataset[Any], sampler: Sampler[SampleKey] | None = None) -> DataLoader[Sample]:
        """Return a loader in the order of the dataset, which visits each sample once over all processes.

        Args:
            dataset: a dataset of samples, with a length. Samples that are None are left out.
            sampler: samples of this process; None assigns them to the processes in turn.
        """
        if sampler is None:
            sampler = EvaluationSampler(range(len(dataset)), *rank_and_world())  # type: ignore[arg-type]  # all have a length
        return EvaluationLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
            worker_init_fn=start_worker,
        )
