"""The progress bar."""

from __future__ import annotations

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class Progress(RichProgressBar):
    """Lightning's progress bar without the logger's version number, because run folders have no versions.

    It is drawn 4 times per second. Lightning's default, 100 times, takes a tenth of a small CPU.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=4)

    def _get_train_description(self, current_epoch: int) -> str:
        """Return the text in front of the bar, without the number of epochs if only the steps are limited."""
        return super()._get_train_description(current_epoch).removesuffix("/-2")

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the metrics next to the bar, without those that the data has nothing for."""
        found = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in found.items() if name != "v_num" and value == value}  # noqa: PLR0124 (NaN)
