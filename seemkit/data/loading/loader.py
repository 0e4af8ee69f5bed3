"""Loaders: one that can resume in the middle of an epoch, and one for processes without images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader

from seemkit.cluster import signals
from seemkit.data.loading.samplers import SeededSampler
from seemkit.data.loading.transforms import Sample
from seemkit.errors import InputError
from seemkit.types import Batch


def collate(samples: Sequence[Sample | None]) -> Batch:
    """Return the batch of the samples that are not None, which can be empty; images keep their own sizes."""
    read = [sample for sample in samples if sample is not None]
    return Batch([image for image, _ in read], [target for _, target in read])


@contextmanager
def plain_errors() -> Iterator[None]:
    """Reraise an InputError from a worker without the traceback that torch adds to its message."""
    try:
        yield
    except InputError as error:
        _, _, message = str(error).rpartition(f"{InputError.__module__}.{InputError.__qualname__}: ")
        raise InputError(message.strip()) from error


def start_worker(_: int) -> None:
    """Make a worker ignore the signals that SLURM or a terminal sends to all processes of a run.

    The main process asks for a few more batches before it stops.
    """
    signals.ignore()


class EvaluationLoader(DataLoader[Sample]):
    """A `DataLoader` that yields one empty batch if it has no samples.

    So a process without samples takes the same steps as the others. Otherwise Lightning would skip its evaluation, and
    the other processes would wait for its share of the results.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # a generator instead of torch's iterator
        with plain_errors():
            yield from super().__iter__() if super().__len__() else [collate([])]

    def __len__(self) -> int:
        return max(1, super().__len__())


class ResumableLoader(DataLoader[Sample]):
    """A `DataLoader` over a `SeededSampler` that saves how far the consumer is in the epoch.

    Lightning stores `state_dict()` in every checkpoint and loads it before the first batch after a resume. A batch
    counts when it is handed out, not when a worker has prepared it, so a resumed run gets exactly the next batch.
    """

    _epoch = 0
    _batches = 0
    _saved_length: int | None = None  # batches per epoch in the loaded state, until iteration starts

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # a generator instead of torch's iterator
        # This body runs at the first `next`. Lightning creates the iterator before it tells the sampler the epoch;
        # workers that started at once would prepare batches of the wrong epoch.
        sampler = self.sampler
        epoch = sampler.epoch if isinstance(sampler, SeededSampler) else 0
        resumed = self._saved_length is not None and epoch == self._epoch
        if resumed and self._saved_length != len(self):
            raise InputError(
                f"checkpoint: stopped in an epoch of {self._saved_length} batches, which now has {len(self)}; "
                "resume with the same images, batch_size and number of processes"
            )
        self._epoch, self._batches = epoch, self._batches if resumed else 0
        self._saved_length = None
        if isinstance(sampler, SeededSampler):
            sampler.start = self._batches * (self.batch_size or 1)
        with plain_errors():
            for batch in super().__iter__():
                self._batches += 1
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the batches handed out in it, and the batches per epoch."""
        return {"epoch": self._epoch, "batches": self._batches, "length": self._saved_length or len(self)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume after the last batch of a saved state, if the sampler is in the same epoch when iteration starts."""
        self._epoch, self._batches = state_dict["epoch"], state_dict["batches"]
        self._saved_length = state_dict["length"]
        if isinstance(self.sampler, SeededSampler):
            self.sampler.set_epoch(self._epoch)
