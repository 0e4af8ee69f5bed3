"""DAVIS 2016 and 2017, videos with the masks of their objects in every frame, as a dataset of frames."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import torch
from torch.utils.data import Dataset

from seemkit.data.davis.sequences import find_sequences
from seemkit.data.loading.samplers import SampleKey, generator_of
from seemkit.data.loading.transforms import Sample, Transform
from seemkit.io.image import read_image
from seemkit.types import Target, Vocabulary

VOCABULARY = Vocabulary(("object",), (True,))
"""What DAVIS follows has no class."""


class DavisFrames(Dataset[Sample]):
    """All frames of all sequences of a split, in order.

    The folder is a release of DAVIS at 480p: ``JPEGImages/480p/<sequence>/00000.jpg``,
    ``Annotations/480p/<sequence>/00000.png`` and ``ImageSets`` (see `find_sequences`). In 2017 a pixel of a PNG has the
    id of its object, and 255 is void and counts as background; in 2016 all that is drawn is one object. The objects of
    a sequence are the ids from 1 to the largest of its first annotation. Each frame has one mask for each of them, in
    that order, so that a row is the same object throughout; the mask is empty in frames that do not show the object.
    What can be told without reading pixels is checked at once for all files.

    Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016;
    Pont-Tuset et al., The 2017 DAVIS Challenge on Video Object Segmentation, arXiv 1704.00675.

    Attributes:
        vocabulary: one thing, "object".
        sequences: the videos, in the order of the list.
        lengths: the number of frames of each.
        transform: changes image and target; None leaves them. It must keep the rows of the masks.
    """

    vocabulary = VOCABULARY

    def __init__(
        self, root: str | Path, year: int = 2017, split: str = "val", transform: Transform | None = None
    ) -> None:
        """Find and check the files of a split.

        Args:
            root: the folder.
            year: 2016 or 2017.
            split: for example "val".
            transform: changes image and target, for example `ResizeImage`.

        Raises:
            InputError: see `find_sequences`.
        """
        self.sequences = find_sequences(Path(root), year, split)
        self.lengths = [len(sequence) for sequence in self.sequences]
        self.transform = transform
        self._ends = list(accumulate(self.lengths))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: int | SampleKey) -> Sample:
        """Image uint8 [3, H, W] of a frame and its target, named "sequence/00000.jpg".

        Raises:
            InputError: if a file is damaged; it names the file.
        """
        sample = SampleKey.of(key)
        place = bisect_right(self._ends, sample.position)
        sequence = self.sequences[place]
        frame = sample.position - (self._ends[place] - self.lengths[place])
        path = sequence.images[frame]
        image = read_image(path)
        target = Target(
            masks=sequence.masks(frame),
            labels=torch.zeros(sequence.objects, dtype=torch.int64),
            crowd=torch.zeros(sequence.objects, dtype=torch.bool),
            name=f"{sequence.name}/{path.name}",
        )
        return self.transform(image, target, generator_of(sample, seed=0)) if self.transform else (image, target)
