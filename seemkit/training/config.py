"""The training recipe: optimizer, schedule and sampling, as they stand in a configuration.

Defaults are the reference's (SEEM, arXiv 2304.06718, appendix).
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

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
DROPS = (0.88889, 0.96296)


@dataclass(frozen=True)
class Optimization:
    """AdamW and its schedule.

    Attributes:
        learning_rate: of parts without a factor.
        factors: factor on the learning rate of a part, by attribute name of the network (``backbone``).
        frozen: parts that are not trained; they stay in evaluation mode.
        weight_decay: on everything but norms and embeddings (the reference decays biases too).
        betas: of AdamW.
        schedule: ``steps`` divides by 10 at 88.9 % and 96.3 % of the run; ``cosine`` falls to 1 %.
        warmup: steps of linear rise.
    """

    learning_rate: float = 1e-4
    factors: dict[str, float] = field(default_factory=lambda: {"backbone": 0.1, "language": 0.1})
    frozen: tuple[str, ...] = ("backbone", "language", "pixel_decoder")
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["steps", "cosine"] = "steps"
    warmup: int = 0


@dataclass(frozen=True)
class Sampling:
    """What a training step asks of each image.

    Attributes:
        objects: most objects that are prompted visually.
        phrases: most segments that phrases are asked for; a number from 1 to this is drawn, and a phrase for each.
        name_classes: in an image without phrases ask for as many of its classes by name, each meaning all its segments.
        rounds: most rounds of clicks before the step (drawn uniformly from 0 to this).
        user: how first prompts are drawn.
    """

    objects: int = 10
    phrases: int = 4
    name_classes: bool = True
    rounds: int = 5
    user: SimulatedUser = field(default_factory=SimulatedUser)


@dataclass(frozen=True)
class Alignment:
    """The region-text guide for training from scratch; off in the reference.

    Attributes:
        weight: of its two losses; 0 switches it off.
        alone: first steps in which it is the only loss, which are several times faster.
    """

    weight: float = 0.0
    alone: int = 0


def build_optimizer(
    network: nn.Module, extra: nn.Module | None, plan: Optimization, fused: bool = True
) -> torch.optim.AdamW:
    """AdamW over the trained parameters, in groups of one learning rate and decay each.

    Args:
        network: what is trained.
        extra: trained beside it, all of it at the full rate.
        plan: rates and decay.
        fused: whether to step in one kernel, which is faster; Lightning clips no gradients for it in mixed precision.
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
    """The factor on the learning rate at each of `steps` steps."""

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (plan.warmup + 1))
        if plan.schedule == "steps":
            return rise * 0.1 ** sum(step >= drop * steps for drop in DROPS)
        done = min(1.0, max(0.0, (step - plan.warmup) / max(1, steps - plan.warmup)))
        return rise * (0.01 + 0.99 * 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item()))

    return LambdaLR(optimizer, factor)


def freeze(network: nn.Module, plan: Optimization) -> None:
    """Switches off the gradient of the frozen parts.

    Raises:
        InputError: the network has no such part.
    """
    for part in (*plan.frozen, *plan.factors):
        if part not in dict(network.named_children()):
            raise InputError(f"optimization: the network has no part {part!r}; it has {', '.join(_parts(network))}")
    for part in plan.frozen:
        network.get_submodule(part).requires_grad_(False)


def _parts(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_children()]


def _trained(network: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Each trained parameter with its part's name and whether weight decay applies to it."""
    for module_name, module in network.named_modules():
        keeps = isinstance(module, (*NORMS, nn.Embedding))
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                full = f"{module_name}.{name}".lstrip(".")
                yield full.split(".")[0], parameter, not keeps
