"""Folders in COCO's layouts for Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from seemkit.data.coco.base import CocoImages
from seemkit.data.coco.splits import layout_of, open_split
from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.data.datamodules.sources import CocoSource, Source
from seemkit.data.image_list import ImageFiles
from seemkit.data.loading.loader import ResumableLoader, collate, start_worker
from seemkit.data.loading.mixture import Mixture, group_batches, mixed_order
from seemkit.data.loading.samplers import SeededSampler, rank_and_world
from seemkit.data.loading.transforms import (
    Compose,
    HorizontalFlip,
    LargeScaleJitter,
    ResizeShortestEdge,
    Sample,
    Torchvision,
    Transform,
)
from seemkit.data.shards.order import sharded_order
from seemkit.errors import InputError
from seemkit.types import Vocabulary


class CocoDataModule(EvaluationDataModule):
    """Loaders for training, validation, test and prediction over a folder in COCO's panoptic or instance layout
    (see `CocoPanoptic`, `CocoInstances`).

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
        jitter: LargeScaleJitter | None = None,
        augmentations: Sequence[v2.Transform] = (),
        sources: Sequence[Source] = (),
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
            jitter: random scale and crop in training, in place of `short_side`; evaluation keeps `short_side`.
            augmentations: further transforms in training, of ``torchvision.transforms.v2``.
            sources: what to train on; empty means `train_split` of `root`. The first must have the classes of the
                splits for evaluation; classes that others add come after them.
            predict_images: image files for prediction.

        Raises:
            InputError: if a setting is out of its range.
        """
        super().__init__(batch_size, num_workers, short_side, long_side)
        self.root = Path(root)
        self.train_split, self.val_split, self.test_split = train_split, val_split, test_split
        self.seed, self.predict_images, self.jitter = seed, predict_images, jitter
        resize: list[Transform] = [] if short_side is None else [ResizeShortestEdge(short_side, long_side)]
        self.train_transform = Compose([
            *([jitter] if jitter else resize), HorizontalFlip(flip), *(Torchvision(change) for change in augmentations)
        ])  # fmt: skip
        self.sources = tuple(sources) or (CocoSource(root, train_split),)
        self._datasets: dict[str, CocoImages[Any]] = {}
        self._train: Mixture | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the folder, which all its splits share; of several sources, the classes of all.

        Raises:
            InputError: if the annotations are missing or faulty.
        """
        if len(self.sources) > 1 or self._train is not None:
            return self._training().vocabulary
        for dataset in self._datasets.values():
            return dataset.vocabulary
        splits = (split for split in (self.val_split, self.test_split) if layout_of(self.root, split))
        split = next(splits, None)
        return self._training().vocabulary if split is None else self._dataset(split).vocabulary

    def train_dataloader(self) -> ResumableLoader:
        """Shuffled batches of the sources; the last one of an epoch may be smaller.

        Where images keep their shapes, those of a batch are all wide or all high. Of one source in shards, each process
        reads few at a time (see `sharded_order`); several sources are shuffled freely (see `mixed_order`), wherever
        their images lie.
        """
        mixture = self._training()
        rank, world = rank_and_world()
        arrange = None if self.jitter else partial(group_batches, wide=mixture.wide, batch=self.batch_size)
        sampler = SeededSampler(
            len(mixture), self.seed, True, rank, world, order=self._order(mixture, world), arrange=arrange
        )
        return ResumableLoader(
            mixture,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
            worker_init_fn=start_worker,
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Batches of the validation split in order, each image once over all processes."""
        return self.evaluation_loader(self._dataset(self.val_split))

    def test_dataloader(self) -> DataLoader[Sample]:
        """Batches of the test split in order, each image once over all processes."""
        return self.evaluation_loader(self._dataset(self.test_split))

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Batches of `predict_images`, with empty targets, or else of the test split."""
        if self.predict_images is None:
            return self.test_dataloader()
        return self.evaluation_loader(ImageFiles(self.predict_images, self.evaluation_transform))

    def _dataset(self, split: str) -> CocoImages[Any]:
        """The dataset of a split for evaluation, read once; its vocabulary must be that of the splits read before."""
        if split not in self._datasets:
            dataset = open_split(self.root, split, transform=self.evaluation_transform, seed=self.seed)
            self._check_classes(dataset)
            self._datasets[split] = dataset
        return self._datasets[split]

    def _training(self) -> Mixture:
        """What is trained on, read once."""
        if self._train is None:
            datasets = [source.open(self.train_transform, self.seed) for source in self.sources]
            self._check_classes(datasets[0])
            self._train = Mixture(datasets)
        return self._train

    def _order(self, mixture: Mixture, world: int) -> Callable[[torch.Generator], Tensor] | None:
        """What gives the positions of an epoch; None means any permutation."""
        if len(mixture.datasets) > 1:
            return partial(mixed_order, mixture.lengths, [source.weight for source in self.sources])
        shards = mixture.datasets[0].shards
        return None if shards is None else partial(sharded_order, shards, world)

    def _check_classes(self, dataset: CocoImages[Any]) -> None:
        others = [*self._datasets.values(), *(self._train.datasets[:1] if self._train else ())]
        for other in others:
            if other.vocabulary != dataset.vocabulary:
                raise InputError(
                    f"{dataset.json_path}: 'categories' differ from those in {other.json_path}; make them equal"
                )
