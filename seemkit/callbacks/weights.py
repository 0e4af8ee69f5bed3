"""Saving of the trained network in seemkit's own format."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from torch.distributed.tensor import DTensor

from seemkit.callbacks.evaluation.base import seem
from seemkit.model.seem import SEEM


class SaveWeights(Callback):
    """Writes ``architecture.yaml`` and ``model.safetensors`` into the run folder when training ends."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the network, which by now has the averaged weights if averaging is on."""
        network = whole(seem(pl_module).network)
        if trainer.is_global_zero:
            network.save(Path(trainer.default_root_dir))


def whole(network: SEEM) -> SEEM:
    """Return the network, or a copy with gathered weights if they are sharded; all processes must call this."""
    tensors = network.state_dict()
    if not any(isinstance(tensor, DTensor) for tensor in tensors.values()):
        return network
    copy = SEEM(network.architecture, network.vocabulary)
    copy.load_state_dict({
        name: tensor.full_tensor() if isinstance(tensor, DTensor) else tensor for name, tensor in tensors.items()
    })  # fmt: skip
    return copy.eval()
