"""Small networks with random weights, and pictures for them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from seemkit.model.outputs import Decoded
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings
from seemkit.testing import SMALL
from seemkit.types import Vocabulary

TINY = replace(SMALL, decoder_layers=4, text_layers=2, templates=("{}", "a {}"), prompts={"point": {"side": 1}})
VOCABULARY = Vocabulary(("sky", "grass", "star"), (False, False, True))


def build(architecture: Architecture, seed: int = 0) -> SEEM:
    """A network in evaluation mode, every weight of which is random: none is zero or one, as some are at first."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SEEM(architecture, VOCABULARY)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return network.eval()


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """A random image, uint8 [3, height, width]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def decode(network: SEEM, context: ImageContext, *objects, **options) -> Decoded:
    """What the network says after every layer of the same objects, each a list of prompts, in every image."""
    return network.decode(context, [objects] * len(context) if objects else None, every_layer=True, **options)


@torch.no_grad()
def final_masks(network: SEEM, context: ImageContext, prompts, **options) -> Tensor:
    """The masks of the selected queries after one decode, [B, P, H, W]."""
    decoded = network.decode(context, prompts, **options)
    return network.masks(decoded, network.select(decoded))


def same(first: Embeddings, second: Embeddings, atol: float = 1e-5) -> bool:
    """Whether classes and masks agree."""
    return all(torch.allclose(a, b, atol=atol, rtol=1e-4) for a, b in zip(first, second, strict=True))


def every_layer(first: Decoded, second: Decoded, group: str) -> bool:
    """Whether a group agrees for the initial queries and after each layer."""
    return all(same(a[group], b[group]) for a, b in zip(first.layers, second.layers, strict=True))
