"""DAVIS 2016 and 2017 as a dataset of frames with object masks."""

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
"""The objects of DAVIS have no class."""


class DavisFrames(Dataset[Sample]):
    """All frames of all sequences of a split, in order.

    The folder is a DAVIS release at 480p: ``JPEGImages/480p/<sequence>/00000.jpg``,
    ``Annotations/480p/<sequence>/00000.png`` and ``ImageSets`` (see `find_sequences`). In 2017 a pixel of a PNG is the
    id of its object; 255 is void and counts as background. In 2016 all nonzero pixels are one object (see
    `DavisSequence` for void).

    The objects of a sequence are the ids from 1 to the largest in its first annotation. Each frame has one mask per
    object, in this order, so a row is the same object in all frames; the mask is empty where the object is not visible.
    The constructor checks the headers of all files and the first annotation of each sequence.

    Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation, CVPR 2016;
    Pont-Tuset et al., The 2017 DAVIS Challenge on Video Object Segmentation, arXiv 1704.00675.

    Attributes:
        vocabulary: one thing, "object".
        sequences: videos in the order of the list.
        lengths: number of frames of each video.
        transform: function that changes image and target, or None; it must keep the rows of the masks.
    """

    vocabulary = VOCABULARY

    def __init__(
        self, root: str | Path, year: int = 2017, split: str = "val", transform: Transform | None = None
    ) -> None:
        """Find and check the files of a split.

        Args:
            root: folder of the release.
            year: 2016 or 2017.
            split: name of the split, for example "val".
            transform: function that changes image and target, for example `ResizeImage`, or None.

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
        """Return the image uint8 [3, H, W] of a frame and its target, named "sequence/00000.jpg".

        Raises:
            InputError: a file is damaged; the message names the file.
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
