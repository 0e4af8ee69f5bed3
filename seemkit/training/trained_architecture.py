"""What training makes of the architecture in a configuration."""

from __future__ import annotations

from dataclasses import replace

from seemkit.checkpoints.catalog import SHIPPED
from seemkit.checkpoints.format import WEIGHTS
from seemkit.losses.weights import LossWeights
from seemkit.nn.architecture import Architecture
from seemkit.training.config import Alignment, Sampling
from seemkit.types import Request


def with_shipped_backbone(architecture: Architecture) -> Architecture:
    """Return the architecture with the file of the backbone's weights, if these are given as a shipped model's name."""
    name = architecture.backbone_weights
    if not isinstance(name, str) or name not in SHIPPED:
        return architecture
    return replace(architecture, backbone_weights=str(SHIPPED[name].folder / WEIGHTS))


def trained_architecture(
    architecture: Architecture, sampling: Sampling, loss_weights: LossWeights, alignment: Alignment
) -> Architecture:
    """Return the architecture with what training adds to it.

    These are the prompt kinds that it draws, the requests that it teaches to answer, and the region head that the
    region-text guide trains.
    """
    drawn = {name: architecture.prompts.get(name, {}) for name in sampling.user.kinds}
    region: list[Request] = ["region"] if sampling.referred != 0 else []
    return replace(
        architecture,
        prompts={**architecture.prompts, **drawn},
        answers=(*loss_weights.answers, *region),
        region_head=architecture.region_head or alignment.weight > 0,
    )
