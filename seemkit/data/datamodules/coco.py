"""The Lightning data module of folders in COCO's layouts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from seemkit.data.coco.base import CocoImages, check_annotated
from seemkit.data.coco.splits import check_splits, layout_of, open_split
from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.data.datamodules.sources import CocoSource, Source
from seemkit.data.image_list import ImageFiles
from seemkit.data.loading.loader import ResumableLoader, collate, start_worker
from seemkit.data.loading.mixture import Mixture, group_batches, mixed_order
from seemkit.data.loading.object_crop import ObjectCrop
from seemkit.data.loading.samplers import EvaluationSampler, SeededSampler, rank_and_world
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
    """Loaders for training, validation, test and prediction over a folder in the COCO panoptic or instance layout.

    For the layouts see `CocoPanoptic` and `CocoInstances`. The loaders have their own samplers, which read rank and
    world size from torch.distributed, so Lightning's ``use_distributed_sampler`` has no effect on them. Training skips
    the remainder that does not divide among the processes; evaluation repeats no sample. After a resume, the training
    loader continues in the middle of the epoch.

    Attributes:
        predicted: names of images that are predicted already; `predict_dataloader` skips them.
    """

    predicted: Collection[str] = frozenset()

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
        crop: ObjectCrop | None = None,
        copy_paste: float = 0.0,
        augmentations: Sequence[v2.Transform] = (),
        sources: Sequence[Source] = (),
        predict_images: str | Sequence[str] | None = None,
    ) -> None:
        """Store the settings; files are read when a loader or the vocabulary is first requested.

        Args:
            root: path of the folder.
            train_split: split for training.
            val_split: split for validation.
            test_split: split for the test, and for prediction if `predict_images` is None.
            batch_size: images per step and process.
            num_workers: processes that read images; 0 reads in the main process.
            seed: seed of the order and the augmentation, at least 0.
            short_side: shorter side of the images in pixels; None keeps the original size. In evaluation, the targets
                keep the original size.
            long_side: limit of the longer side in pixels; needs `short_side`.
            flip: probability of a horizontal flip in training, 0..1.
            jitter: random scale and crop in training instead of `short_side`; evaluation still uses `short_side`.
            crop: random crop around an object in training instead of `short_side`; excludes `jitter`.
            copy_paste: probability, 0..1, that an object of another image is pasted into an image in training; needs
                `jitter` or `crop`.
            augmentations: further transforms in training, from ``torchvision.transforms.v2``.
            sources: sources of training data; if empty, the `train_split` of `root`. The first must have the classes of
                the evaluation splits; classes that the others add come after these.
            predict_images: image files for prediction, or a folder of them.

        Raises:
            InputError: a setting is out of its range.
        """
        super().__init__(batch_size, num_workers, short_side, long_side)
        self.root = Path(root)
        self.train_split, self.val_split, self.test_split = train_split, val_split, test_split
        if jitter and crop:
            raise InputError("jitter: is set together with crop; set one of them")
        if not 0 <= copy_paste <= 1 or (copy_paste and not (jitter or crop)):
            raise InputError(f"copy_paste: is {copy_paste}; use a probability from 0 to 1, and set crop or jitter")
        self.seed, self.predict_images, self.copy_paste = seed, predict_images, copy_paste
        self.jitter = jitter or crop
        resize: list[Transform] = [] if short_side is None else [ResizeShortestEdge(short_side, long_side)]
        sized = [self.jitter] if self.jitter else resize
        changes = [Torchvision(change) for change in augmentations]
        self.train_transform = Compose([*sized, HorizontalFlip(flip), *changes])
        self.sources = tuple(sources) or (CocoSource(root, train_split),)
        self._datasets: dict[str, CocoImages[Any]] = {}
        self._train: Mixture | None = None

    def check_folders(self, stage: str) -> None:
        """Raise InputError unless the folder has the splits of this stage; the message names the splits that it has."""
        splits = {"fit": ("val_split", "test_split"), "validate": ("val_split",)}.get(stage, ("test_split",))
        if stage == "predict" and self.predict_images is not None:
            return
        wanted = {name: getattr(self, name) for name in splits}
        if stage == "fit" and self.sources == (CocoSource(str(self.root), self.train_split),):
            wanted["train_split"] = self.train_split
        check_splits(self.root, wanted)

    @property
    def vocabulary(self) -> Vocabulary:
        """Classes that all splits of the folder share; with several sources, the classes of all sources.

        Raises:
            InputError: the annotations are missing or faulty.
        """
        if len(self.sources) > 1 or self._train is not None:
            return self._training().vocabulary
        for dataset in self._datasets.values():
            return dataset.vocabulary
        splits = (split for split in (self.val_split, self.test_split) if layout_of(self.root, split))
        split = next(splits, None)
        return self._training().vocabulary if split is None else self._dataset(split).vocabulary

    def train_dataloader(self) -> ResumableLoader:
        """Return shuffled batches of the sources; the last batch of an epoch can be smaller.

        Without `jitter`, the images of a batch are all wide or all high, except in the last batches. If the only source
        is in shards, each process reads few shards at a time (see `sharded_order`). Several sources are shuffled
        without regard to shards (see `mixed_order`).
        """
        mixture = self._training()
        check_annotated(mixture.datasets, "train on")
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
        """Return batches of the validation split in order, each image once over all processes."""
        return self._measured(self.val_split)

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return batches of the test split in order, each image once over all processes."""
        return self._measured(self.test_split)

    def images_to_predict(self) -> ImageFiles:
        """Return `predict_images`, or the images of the test split if it is None.

        Raises:
            InputError: an image is missing.
        """
        if self.predict_images is not None:
            return ImageFiles.of_user(self.predict_images, self.evaluation_transform)
        split = self._dataset(self.test_split)
        names = [annotation.image_name for annotation in split.annotations]
        files = [split.image_folder / name for name in names]
        return ImageFiles(files, names, self.evaluation_transform, source=str(self.root.resolve() / self.test_split))

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Return batches of `images_to_predict`, with empty targets, without those in `predicted`."""
        images = self.images_to_predict()
        left = [position for position, name in enumerate(images.names) if name not in self.predicted]
        return self.evaluation_loader(images, EvaluationSampler(left, *rank_and_world()))

    def _measured(self, split: str) -> DataLoader[Sample]:
        """Return batches of a split in order; raise InputError if it has nothing to compare with."""
        dataset = self._dataset(split)
        check_annotated([dataset], "measure")
        return self.evaluation_loader(dataset)

    def _dataset(self, split: str) -> CocoImages[Any]:
        """Return the evaluation dataset of a split, read once; its classes must match those read before."""
        if split not in self._datasets:
            dataset = open_split(self.root, split, transform=self.evaluation_transform, seed=self.seed)
            self._check_classes(dataset)
            self._datasets[split] = dataset
        return self._datasets[split]

    def _training(self) -> Mixture:
        """Return the training data, read once."""
        if self._train is None:
            datasets = [source.open(self.train_transform, self.seed) for source in self.sources]
            self._check_classes(datasets[0])
            self._train = Mixture(datasets, self.copy_paste, self.seed)
        return self._train

    def _order(self, mixture: Mixture, world: int) -> Callable[[torch.Generator], Tensor] | None:
        """Return the function that returns the positions of an epoch; None means a random permutation."""
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
