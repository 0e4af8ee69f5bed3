"""``seemkit convert``: checkpoints of other programs to folders of seemkit's own format."""

from __future__ import annotations

from pathlib import Path

import torch

from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.format import fill
from seemkit.checkpoints.official import architecture_of, guess_variant, read_checkpoint, rename
from seemkit.errors import InputError
from seemkit.model.seem import SEEM

SEEM_ONLY = ("queries.memory_", "sampler.")
"""Parts that X-Decoder has not."""
XDECODER_ONLY = ("caping_embed", "pos_embed_caping", "self_attn_mask", "bbox_embed")
"""Words in the names of parts that only X-Decoder has."""


def convert_official(path: Path, out: Path, variant: str | None) -> list[str]:
    """Writes the weights of an official SEEM checkpoint into a folder; returns lines that say what was done.

    Args:
        path: a ``.pt`` file.
        out: the folder.
        variant: the published model; None guesses it from names and shapes.

    Raises:
        InputError: the file is unreadable or of another model; nothing is written.
    """
    tensors = read_checkpoint(path)
    name = variant or guess_variant(tensors, str(path))
    architecture = architecture_of(name)
    network = SEEM(architecture, COCO_PANOPTIC)
    renamed = rename(tensors, architecture)
    if not any(own.startswith(SEEM_ONLY) for own in renamed):
        raise InputError(f"{path}: has no visual prompts, so it is of X-Decoder; use `seemkit convert xdecoder`")
    fill(network, renamed, str(path))
    return _write(network, out, f"{path}: {name}{'' if variant else _assumed(name)}")


def convert_xdecoder(path: Path, out: Path, variant: str | None) -> list[str]:
    """Writes the weights of an X-Decoder checkpoint into a folder, for training SEEM from; see `convert_official`.

    What X-Decoder lacks is drawn anew, with a fixed seed, and listed.
    """
    tensors = read_checkpoint(path)
    name = variant or guess_variant(tensors, str(path))
    architecture = architecture_of(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SEEM(architecture, COCO_PANOPTIC)
    shared = {key: value for key, value in tensors.items() if not any(word in key for word in XDECODER_ONLY)}
    renamed = rename(shared, architecture)
    fresh = {k: v for k, v in network.state_dict().items() if k.startswith(SEEM_ONLY) and k not in renamed}
    fill(network, renamed | fresh, str(path))
    dropped = sorted(tensors.keys() - shared.keys())
    return [
        *_write(network, out, f"{path}: X-Decoder, as a start for {name}{'' if variant else _assumed(name)}"),
        f"drawn anew: {', '.join(sorted(fresh)) or 'nothing'}",
        f"left out: {', '.join(dropped) or 'nothing'}",
    ]


def _assumed(name: str) -> str:
    return f" (guessed from names and shapes; v0, v1 and demo share them, {name.rpartition('-')[2]} is assumed)"


def _write(network: SEEM, out: Path, line: str) -> list[str]:
    try:
        network.save(out)
    except OSError as error:
        raise InputError(f"{out}: cannot write there: {error.strerror or error}") from error
    count = sum(parameter.numel() for parameter in network.parameters())
    return [line, f"{len(network.state_dict())} tensors, {count / 1e6:.1f} million parameters", f"written to {out}"]
