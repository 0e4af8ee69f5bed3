"""A COCO panoptic folder for Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from seemkit.data.coco_panoptic import CocoPanoptic
from seemkit.data.image_files import ImageFiles
from seemkit.data.loader import ResumableLoader, collate
from seemkit.data.samplers import EvaluationSampler, SeededSampler, rank_and_world
from seemkit.data.transforms import Compose, HorizontalFlip, ResizeImage, ResizeShortestEdge, Sample, Transform
from seemkit.errors import InputError
from seemkit.types import Vocabulary


class CocoDataModule(LightningDataModule):
    """Loaders for training, validation, test and prediction over one COCO panoptic folder (see `CocoPanoptic`).

    The loaders bring their own samplers, which read rank and world from torch.distributed: training leaves out what
    does not divide among the processes, evaluation repeats nothing. Lightning's ``use_distributed_sampler`` is thereby
    off for these loaders. The train loader continues in the middle of an epoch after a resume.
    """

    def __init__(
        self,
        root: str,
        *,
        train_split: str = "train",
        val_split: str = "val",
        test_split: str = "test",
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        short_side: int | None = None,
        long_side: int | None = None,
        flip: float = 0.5,
        predict_images: Sequence[str] | None = None,
    ) -> None:
        """Keep the settings; files are read when a loader or the vocabulary is first asked for.

        Args:
            root: the folder.
            train_split: split to train on.
            val_split: split for validation.
            test_split: split for the test, and for prediction where `predict_images` is None.
            batch_size: images a step and process.
            num_workers: processes that read images; 0 reads in the main process.
            seed: of order and augmentation, at least 0.
            short_side: shorter side of the images in pixels; None keeps the original size. In evaluation the targets
                keep the original size.
            long_side: bound on the longer side; needs `short_side`.
            flip: probability of a horizontal flip in training.
            predict_images: image files for prediction.

        Raises:
            InputError: if a setting is out of its range.
        """
        super().__init__()
        if batch_size < 1:
            raise InputError(f"batch_size: is {batch_size}; use at least 1")
        if long_side is not None and short_side is None:
            raise InputError("long_side: is set without short_side; set both or none")
        self.root = Path(root)
        self.train_split, self.val_split, self.test_split = train_split, val_split, test_split
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.predict_images = predict_images
        train: list[Transform] = [HorizontalFlip(flip)]
        evaluation: list[Transform] = []
        if short_side is not None:
            train.insert(0, ResizeShortestEdge(short_side, long_side))
            evaluation.append(ResizeImage(short_side, long_side))
        self.train_transform, self.evaluation_transform = Compose(train), Compose(evaluation)
        # evaluation repeats no sample, so it may leave a process without any
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self._datasets: dict[tuple[str, bool], CocoPanoptic] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the folder, which all splits share.

        Raises:
            InputError: if the annotations are missing or faulty.
        """
        for dataset in self._datasets.values():
            return dataset.vocabulary
        splits = (self.train_split, self.val_split, self.test_split)
        present = (s for s in splits if (self.root / "annotations" / f"panoptic_{s}.json").is_file())
        split = next(present, self.train_split)
        return self._dataset(split, training=split == self.train_split).vocabulary

    def train_dataloader(self) -> ResumableLoader:
        """Shuffled batches of the train split; the last one of an epoch may be smaller."""
        dataset = self._dataset(self.train_split, training=True)
        sampler = SeededSampler(len(dataset), self.seed, True, *rank_and_world())
        return ResumableLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Batches of the validation split in order, each image once over all processes."""
        return self._evaluation_loader(self._dataset(self.val_split, training=False))

    def test_dataloader(self) -> DataLoader[Sample]:
        """Batches of the test split in order, each image once over all processes."""
        return self._evaluation_loader(self._dataset(self.test_split, training=False))

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Batches of `predict_images`, with empty targets, or else of the test split."""
        if self.predict_images is None:
            return self.test_dataloader()
        return self._evaluation_loader(ImageFiles(self.predict_images, self.evaluation_transform))

    def _dataset(self, split: str, training: bool) -> CocoPanoptic:
        """The dataset of one split, read once; its vocabulary must be that of the splits read before."""
        if (split, training) not in self._datasets:
            transform = self.train_transform if training else self.evaluation_transform
            dataset = CocoPanoptic(self.root, split, transform=transform, seed=self.seed)
            for other in self._datasets.values():
                if other.vocabulary != dataset.vocabulary:
                    raise InputError(
                        f"{dataset.json_path}: 'categories' differ from those in {other.json_path}; make them equal"
                    )
            self._datasets[split, training] = dataset
        return self._datasets[split, training]

    def _evaluation_loader(self, dataset: CocoPanoptic | ImageFiles) -> DataLoader[Sample]:
        """A loader that visits each sample once over all processes."""
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=EvaluationSampler(len(dataset), *rank_and_world()),
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
        )
