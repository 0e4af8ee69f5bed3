"""Data module of the data sets on which clicks are counted."""

from __future__ import annotations

from collections.abc import Mapping

from torch.utils.data import DataLoader

from seemkit.data.datamodules.base import EvaluationDataModule
from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.layout import Layout
from seemkit.data.interactive.sbd import SBD
from seemkit.data.interactive.single_object import BERKELEY, FRAMES, GRABCUT
from seemkit.data.interactive.voc import VOC
from seemkit.data.loading.transforms import Sample
from seemkit.errors import InputError
from seemkit.types import Vocabulary

LAYOUTS: Mapping[str, Layout] = {
    "grabcut": GRABCUT,
    "berkeley": BERKELEY,
    "davis-frames": FRAMES,
    "coco-mini": FRAMES,
    "voc": VOC,
    "sbd": SBD,
}
"""Folder layout of each data set."""


class InteractiveDataModule(EvaluationDataModule):
    """Test loader over a data set on which clicks are counted, as in RITM (arXiv 2102.06583) and SEEM."""

    only_tests = True

    def __init__(
        self,
        name: str,
        root: str,
        *,
        batch_size: int = 1,
        num_workers: int = 0,
        short_side: int | None = None,
        long_side: int | None = None,
        objects_per_image: int | None = None,
    ) -> None:
        """Store the settings; files are read when the loader is first requested.

        Args:
            name: name of the data set: ``grabcut``, ``berkeley``, ``davis-frames``, ``coco-mini``, ``voc`` or ``sbd``.
            root: its folder, laid out as described in ``docs/howto/interactive_data.md``.
            batch_size: images per step and process.
            num_workers: as in `CocoDataModule`.
            short_side: as in `CocoDataModule`.
            long_side: as in `CocoDataModule`.
            objects_per_image: as in `InteractiveImages`.

        Raises:
            InputError: a setting is out of its range.
        """
        super().__init__(batch_size, num_workers, short_side, long_side)
        if objects_per_image is not None and objects_per_image < 1:
            raise InputError(f"objects_per_image: is {objects_per_image}; use at least 1, or omit it for all")
        if name not in LAYOUTS:
            raise InputError(f"name: is {name!r}; use one of {', '.join(LAYOUTS)}")
        self.name, self.layout, self.root, self.objects_per_image = name, LAYOUTS[name], root, objects_per_image

    @property
    def vocabulary(self) -> Vocabulary:
        """The 20 classes of Pascal VOC for ``voc`` and ``sbd``, "object" for the others; all are things."""
        return self.layout.vocabulary

    def test_dataloader(self) -> DataLoader[Sample]:
        """Return a loader of all images in order, which visits each image once over all processes.

        Raises:
            InputError: a file is missing or faulty; the message names the file.
        """
        images = InteractiveImages(self.root, self.layout, self.evaluation_transform, self.objects_per_image)
        return self.evaluation_loader(images)
