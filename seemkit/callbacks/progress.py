"""The progress bar."""

from __future__ import annotations

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class Progress(RichProgressBar):
    """Lightning's bar without the logger's version number, which says nothing where a run folder has no versions.

    It is drawn four times a second; Lightning's default of a hundred times takes a tenth of a small CPU.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=4)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The metrics beside the bar."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
