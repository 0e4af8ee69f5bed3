"""The training recipe: optimizer, schedule and sampling, as set in a configuration.

The defaults are the reference's (SEEM, arXiv 2304.06718, appendix).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from seemkit.errors import InputError
from seemkit.interactive.user import SimulatedUser
from seemkit.model.seem import SEEM
from seemkit.types import Vocabulary

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
DROPS = (0.88889, 0.96296)


@dataclass(frozen=True)
class Optimization:
    """AdamW and its schedule.

    Attributes:
        learning_rate: learning rate of parts without a factor.
        factors: factor on the learning rate of a part, by attribute name in the network, for example ``backbone``.
        frozen: parts that are not trained and stay in evaluation mode, as names of parts or of modules inside them, for
            example ``backbone.body.blocks.0``.
        recompute: parts, of ``backbone`` and ``decoder``, whose blocks or layers keep only their inputs until the
            backward pass and then compute again what it needs: less memory, more time. A frozen backbone keeps nothing
            anyway. Running averages of batch norms in training then count each batch twice.
        compile: whether to compile encoder and decoder with `torch.compile` when they are first used.
        weight_decay: weight decay of all parameters except norms and embeddings (the reference decays biases too).
        betas: betas of AdamW.
        schedule: ``steps`` divides the learning rate by 10 at 88.9 % and 96.3 % of the run; ``cosine`` lowers it to
            1 %.
        warmup: number of steps in which the learning rate rises linearly.

    Raises:
        InputError: a number is out of its range.
    """

    learning_rate: float = 1e-4
    factors: dict[str, float] = field(default_factory=lambda: {"backbone": 0.1, "language": 0.1})
    frozen: tuple[str, ...] = ("backbone", "language", "pixel_decoder")
    recompute: tuple[Literal["backbone", "decoder"], ...] = ()
    compile: bool = False
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["steps", "cosine"] = "steps"
    warmup: int = 0

    def __post_init__(self) -> None:
        for name, value in (("learning_rate", self.learning_rate), *self.factors.items()):
            if not 0 <= value < float("inf"):
                raise InputError(f"optimization: {name} is {value:g}; use a number of at least 0")
        if not (self.weight_decay >= 0 and self.warmup >= 0 and all(0 <= beta < 1 for beta in self.betas)):
            raise InputError("optimization: weight_decay and warmup must be at least 0, and betas from 0 to below 1")


@dataclass(frozen=True)
class Sampling:
    """The prompts of each image in a training step.

    Attributes:
        objects: maximum number of visually prompted objects.
        phrases: maximum number of segments that are prompted by a phrase; their number is drawn uniformly from 1 to
            this, and then one phrase for each. 0 for no phrases.
        name_classes: whether to prompt an image without phrases by the names of some of its classes; their number is
            drawn like that of phrases, and a name refers to all segments of its class.
        rounds: maximum number of click rounds before the step; drawn uniformly from 0 to this.
        clicks: where these clicks are placed: on the deepest ``pixels`` of the errors, as published, or on the deepest
            ``cells`` of the mask features, which is several times quicker (`seemkit.interactive.click_grid`).
        stuff: whether stuff is visually prompted too, not only things.
        frequencies: how often objects of a class are visually prompted, by the name of the class, relative to the
            classes that are not listed, which have 1. Where objects lie inside others, this decides what a bare click
            comes to mean: the object that is prompted most often at such places.
        referred: probability that a visually prompted object is described by a region of another image instead; see
            `seemkit.training.referred_regions`. None for the reference's way: such regions are not trained, and the
            network answers them nevertheless. After training with 0, it refuses them.
        user: simulated user who gives the first prompts.
    """

    objects: int = 10
    phrases: int = 4
    name_classes: bool = True
    rounds: int = 5
    clicks: Literal["pixels", "cells"] = "pixels"
    stuff: bool = False
    frequencies: dict[str, float] = field(default_factory=dict)
    referred: float | None = None
    user: SimulatedUser = field(default_factory=SimulatedUser)

    def check(self, vocabulary: Vocabulary) -> None:
        """Raise InputError unless `frequencies` fit the classes of the data.

        Raises:
            InputError: a name is not that of a class, or a frequency is negative.
        """
        for name, frequency in self.frequencies.items():
            if name not in vocabulary.names:
                raise InputError(f"sampling.frequencies: the data has no class {name!r}")
            if not 0 <= frequency < float("inf"):
                raise InputError(f"sampling.frequencies: {name} has {frequency:g}; use a number of at least 0")


@dataclass(frozen=True)
class Alignment:
    """The region-text guide for training from scratch, `RegionAlignment`; the reference has none.

    Attributes:
        weight: weight of its three losses; 0 turns it off.
        alone: number of steps at the start of training in which these are the only losses; such steps are several
            times faster.
    """

    weight: float = 0.0
    alone: int = 0


def build_optimizer(
    network: nn.Module, extra: nn.Module | None, plan: Optimization, fused: bool = True
) -> torch.optim.AdamW:
    """Return AdamW over the trained parameters, with one group per combination of learning rate and weight decay.

    Args:
        network: network to train.
        extra: second module to train, all of it at the full learning rate and with weight decay.
        plan: learning rates and weight decay.
        fused: whether to step in one kernel, which is faster, but in mixed precision prevents Lightning from clipping
            gradients.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for part, parameter, decays in _trained(network):
        key = (plan.learning_rate * plan.factors.get(part, 1.0), plan.weight_decay if decays else 0.0)
        groups.setdefault(key, []).append(parameter)
    if extra is not None:
        groups.setdefault((plan.learning_rate, plan.weight_decay), []).extend(extra.parameters())
    rows = [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
    return torch.optim.AdamW(rows, betas=plan.betas, fused=fused)


def build_schedule(optimizer: torch.optim.Optimizer, plan: Optimization, steps: int) -> LambdaLR:
    """Return the schedule of the learning rate over `steps` steps."""

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (plan.warmup + 1))
        if plan.schedule == "steps":
            return rise * 0.1 ** sum(step >= drop * steps for drop in DROPS)
        done = min(1.0, max(0.0, (step - plan.warmup) / max(1, steps - plan.warmup)))
        return rise * (0.01 + 0.99 * 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item()))

    return LambdaLR(optimizer, factor)


def freeze(network: nn.Module, plan: Optimization) -> None:
    """Turn off the gradient of the frozen parts.

    Raises:
        InputError: the network has no part with a name in `plan.frozen` or `plan.factors`.
    """
    for part in plan.factors:
        _require_part(network, part, "")
    for path in plan.frozen:
        within, _, part = path.rpartition(".")
        modules = dict(network.named_modules())
        _require_part(modules.get(within, network), part if within in modules else path, within)
    for part in plan.frozen:
        network.get_submodule(part).requires_grad_(False)


def compute_again(network: SEEM, plan: Optimization) -> None:
    """Let the parts in `plan.recompute` save memory.

    Raises:
        InputError: the backbone cannot do so.
    """
    network.decoder.again = "decoder" in plan.recompute
    if "backbone" in plan.recompute and any(p.requires_grad for p in network.backbone.parameters()):
        network.backbone.compute_again()


def compile_parts(network: SEEM) -> None:
    """Compile the encoder, and each layer of the decoder, with `torch.compile` when they are first used.

    The layers share their graphs, in which the number of tokens is a variable: it differs from step to step.
    """
    network.backbone.compile()
    network.pixel_decoder.compile()
    for layer in network.decoder.layers:
        layer.compile(dynamic=True)


def _require_part(module: nn.Module, part: str, path: str) -> None:
    """Raise InputError unless a module, which is at `path` in the network, has a part of this name."""
    parts = dict(module.named_children())
    if part not in parts:
        raise InputError(f"optimization: {path or 'the network'} has no part {part!r}; it has {', '.join(parts)}")


def _trained(network: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Yield the part's name, the parameter, and whether weight decay applies, for each trained parameter."""
    for module_name, module in network.named_modules():
        keeps = isinstance(module, (*NORMS, nn.Embedding))
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                full = f"{module_name}.{name}".lstrip(".")
                yield full.split(".")[0], parameter, not keeps
