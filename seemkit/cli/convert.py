"""``seemkit convert``: convert checkpoints of other programs to folders in seemkit's own format."""

from __future__ import annotations

from pathlib import Path

import torch

from seemkit.checkpoints.catalog import published_variant
from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.checkpoints.format import fill
from seemkit.checkpoints.official import architecture_of, guess_variant, rename
from seemkit.errors import InputError
from seemkit.io.tensor_file import read_tensors
from seemkit.model.seem import SEEM

SEEM_ONLY = ("queries.memory_", "sampler.")
"""Prefixes of the names of weights that X-Decoder lacks."""
XDECODER_ONLY = ("backbone_proj", "caping_embed", "pos_embed_caping", "self_attn_mask", "bbox_embed")
"""Words in the names of weights that only X-Decoder has."""


def convert_official(path: Path, out: Path, variant: str | None) -> list[str]:
    """Write the weights of an official SEEM checkpoint to a folder; return the lines of a summary.

    Args:
        path: ``.pt`` file.
        out: output folder.
        variant: name of the published model; None to find it by the file's SHA-256, or guess it from names and shapes.

    Raises:
        InputError: the file is unreadable or holds another model, so nothing is written; or `out` cannot be written.
    """
    tensors = read_tensors(path)
    by_sum = published_variant(path)
    name = variant or by_sum or guess_variant(tensors, str(path))
    architecture = architecture_of(name)
    network = SEEM(architecture, COCO_PANOPTIC)
    renamed = rename(tensors, architecture, str(path))
    if not any(own.startswith(SEEM_ONLY) for own in renamed):
        raise InputError(f"{path}: an X-Decoder checkpoint, without visual prompts; use `seemkit convert xdecoder`")
    fill(network, renamed, str(path))
    return _write(network, out, f"{path}: {name}{'' if variant or by_sum else _assumed(name)}")


def convert_xdecoder(path: Path, out: Path, variant: str | None) -> list[str]:
    """Write the weights of an X-Decoder checkpoint to a folder, to start training SEEM; return a summary.

    Weights that X-Decoder lacks are initialized at random with a fixed seed, and listed. Arguments and errors are those
    of `convert_official`.
    """
    tensors = read_tensors(path)
    name = variant or guess_variant(tensors, str(path))
    architecture = architecture_of(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SEEM(architecture, COCO_PANOPTIC)
    shared = {key: value for key, value in tensors.items() if not any(word in key for word in XDECODER_ONLY)}
    renamed = rename(shared, architecture, str(path))
    fresh = {k: v for k, v in network.state_dict().items() if k.startswith(SEEM_ONLY) and k not in renamed}
    fill(network, renamed | fresh, str(path))
    dropped = sorted(tensors.keys() - shared.keys())
    return [
        *_write(network, out, f"{path}: X-Decoder, to start training {name}{'' if variant else _assumed(name)}"),
        f"initialized at random: {', '.join(sorted(fresh)) or 'nothing'}",
        f"skipped: {', '.join(dropped) or 'nothing'}",
    ]


def _assumed(name: str) -> str:
    return f" (guessed from names and shapes, which v0, v1 and demo share; {name.rpartition('-')[2]} is assumed)"


def _write(network: SEEM, out: Path, line: str) -> list[str]:
    try:
        network.save(out)
    except OSError as error:
        raise InputError(f"{out}: cannot write there: {error.strerror or error}") from error
    count = sum(parameter.numel() for parameter in network.parameters())
    return [line, f"{len(network.state_dict())} tensors, {count / 1e6:.1f} million parameters", f"written to {out}"]
