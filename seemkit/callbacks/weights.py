"""Saves the trained network in seemkit's own format."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from seemkit.callbacks.evaluation import seem


class SaveWeights(Callback):
    """Writes ``architecture.yaml`` and ``model.safetensors`` into the run folder when training ends."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves; averaged weights, where averaging is on, are in the network by now."""
        if trainer.is_global_zero:
            seem(pl_module).network.save(Path(trainer.default_root_dir))
