"""Pretrained weights of backbones, from timm or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

from torch import Tensor, nn

from seemkit.errors import InputError
from seemkit.io.tensor_file import read_tensors

COUNTER = "num_batches_tracked"
"""Count of a batch norm, which the output does not depend on and some files omit."""
OWN = "backbone.body."
"""Prefix of the names of a backbone's tensors in a network of seemkit."""
SHOWN = 3


def load_backbone_weights(body: nn.Module, path: Path) -> None:
    """Load the weights in a file into a backbone.

    Tensors are matched by name if the file has all names of the backbone, otherwise by position if all shapes are equal
    in this order. What the file has beyond the backbone, such as a classifier, is ignored. Of a file that seemkit
    wrote, only the backbone is read.

    Args:
        body: backbone with its batch norms.
        path: ``.pth`` file that ``torch.load(weights_only=True)`` reads, or safetensors file.

    Raises:
        InputError: the file is missing or cannot be read, or the tensors do not fit; the message lists the first
            differences.
    """
    own = body.state_dict()
    try:
        given = own_backbone(read_tensors(path))
    except InputError as error:
        raise InputError(f"backbone_weights: {error}") from error
    body.load_state_dict({**own, **match_tensors(own, given, str(path))})


def own_backbone(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors of the backbone in a network of seemkit, under the backbone's names; else all tensors."""
    found = {name.removeprefix(OWN): tensor for name, tensor in given.items() if name.startswith(OWN)}
    return found or given


def match_tensors(own: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return the given tensor for each name of a backbone, except the counters of batch norms.

    Args:
        own: state dict of the backbone.
        given: tensors in the order of their file.
        source: file, for messages.

    Raises:
        InputError: neither names nor positions fit.
    """
    own, given = ({n: t for n, t in tensors.items() if not n.endswith(COUNTER)} for tensors in (own, given))
    if all(name in given and given[name].shape == tensor.shape for name, tensor in own.items()):
        return {name: given[name] for name in own}
    pairs = list(zip_longest(own.items(), list(given.items())[: len(own)]))
    wrong = [
        f"{mine[0]} {[*mine[1].shape]}, but {'nothing' if its is None else f'{its[0]} {[*its[1].shape]}'}"
        for mine, its in pairs
        if its is None or mine[1].shape != its[1].shape
    ]
    if wrong:
        more = f"; {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise InputError(
            f"backbone_weights: {source}: weights of another backbone; expected {'; expected '.join(wrong[:SHOWN])}"
            f" there{more}"
        )
    return {mine[0]: its[1] for mine, its in pairs}
