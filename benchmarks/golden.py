"""The golden format: arrays that the official code computed with synthetic weights, and how to make those weights.

A folder holds, for each configuration, ``<config>.keys.json`` (names and shapes of the official state dict),
``<config>.golden.npz`` with ``<config>.golden.index.json`` (slices and the reference's own rounding), and for some
``<config>.interactive.golden.npz`` and ``<config>.refimg_fixed.golden.npz``. ``input.golden.npz`` and
``text.golden.npz`` serve all of them; an image that is not stored is made by `synthetic_image`. A small golden of
seemkit's own has ``<config>.architecture.yaml`` in the place of the official names.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from seemkit.checkpoints.official import architecture_of, rename
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.nn.pixels import PIXEL_MEAN, PIXEL_STD
from seemkit.types import Vocabulary

CLASSES = ("person", "bus", "dog", "sky-other-merged", "tree-merged")
PHRASES = ("the red bus on the left", "small dog")
_BACKBONES = {
    "focalt": "focal-t",
    "focall": "focal-l",
    "davitd3": "davit-d3",
    "davitd5": "davit-d5",
    "samvitb": "samvit-b",
    "samvitl": "samvit-l",
}
_EMBEDDINGS = (
    "query_feat.weight",
    "query_embed.weight",
    "level_embed.weight",
    "level_embed",
    "spatial_embed.weight",
    "spatial_featured.weight",
    "pn_indicator.weight",
    "token_embedding.weight",
    "positional_embedding",
    "pos_embed",
    "rel_pos_h",
    "rel_pos_w",
)
_GAINS = {"out_proj.weight": 0.2, "linear2.weight": 0.3, ".dw.weight": 0.25, ".fn.qkv.weight": 0.5}


@dataclass(frozen=True)
class Golden:
    """The arrays of one configuration.

    Attributes:
        folder: where they lie.
        config: name of the configuration, for example ``focalt_unicl_lang_v1``.
    """

    folder: Path
    config: str

    @property
    def variant(self) -> str:
        """The published model, for example ``focal-t-v1``."""
        backbone, _, decoder = self.config.partition("_unicl_lang_")
        return f"{_BACKBONES[backbone]}-{decoder}"

    @property
    def architecture(self) -> Architecture:
        """That of the published model, or the one that lies beside the arrays."""
        own = self.folder / f"{self.config}.architecture.yaml"
        return (
            Architecture.from_dict(yaml.safe_load(own.read_text())) if own.is_file() else architecture_of(self.variant)
        )

    def arrays(self, part: str = "") -> dict[str, np.ndarray]:
        """The stored arrays of a part (``"interactive"``, ``"refimg_fixed"``; empty: the main ones)."""
        path = self.folder / f"{self.config}.{part + '.' if part else ''}golden.npz"
        return dict(np.load(path)) if path.is_file() else {}

    def index(self) -> dict[str, Any]:
        """What is known of each main array."""
        return json.loads((self.folder / f"{self.config}.golden.index.json").read_text())

    def shared(self, name: str) -> dict[str, np.ndarray]:
        """Arrays that serve all configurations: ``"input"`` or ``"text"``; none if there is no such file."""
        path = self.folder / f"{name}.golden.npz"
        return dict(np.load(path)) if path.is_file() else {}

    def network(self) -> SEEM:
        """The network with the synthetic weights of this configuration."""
        network = SEEM(self.architecture, Vocabulary(CLASSES, (True,) * 3 + (False,) * 2))
        keys = self.folder / f"{self.config}.keys.json"
        if keys.is_file():
            named = {name: synthetic(name, shape) for name, (shape, _) in json.loads(keys.read_text()).items()}
            tensors = rename(named, self.architecture)
        else:
            tensors = {name: synthetic(name, list(value.shape)) for name, value in network.state_dict().items()}
        network.load_state_dict(tensors)
        return network.eval()


def configurations(folder: Path) -> list[str]:
    """The configurations that have arrays in a folder."""
    known = {
        path.name.partition(".")[0] for end in ("keys.json", "architecture.yaml") for path in folder.glob(f"*.{end}")
    }
    return sorted(name for name in known if (folder / f"{name}.golden.npz").is_file())


def synthetic(name: str, shape: list[int]) -> Tensor:
    """The weight of an official name: the same for the same name and shape, everywhere."""
    if name in {"dilation_kernel", "criterion.empty_weight"}:
        return torch.ones(shape)
    last = name.rpartition(".")[2]
    if last == "logit_scale":
        return torch.tensor(4.7)
    draw = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()) & 0x7FFFFFFF))
    if last in {"gamma_1", "gamma_2"}:
        return 0.5 + 0.1 * draw
    if any(name == ending or name.endswith("." + ending) for ending in _EMBEDDINGS):
        return draw
    if draw.ndim <= 1:
        return 1 + 0.02 * draw if last == "weight" else 0.02 * draw
    gain = 1.5 if last == "in_proj_weight" else next((g for end, g in _GAINS.items() if name.endswith(end)), 1.0)
    return draw * gain / float(np.prod(shape[1:])) ** 0.5


def parse_slice(text: str | None) -> tuple[slice, ...]:
    """The slices that the index writes down, for example ``"(slice(None, None, 2),)"``."""
    parts = re.findall(r"slice\(([^)]*)\)", text or "")
    return tuple(slice(*(None if v.strip() == "None" else int(v) for v in part.split(","))) for part in parts)


def inputs(golden: Golden, network: SEEM) -> tuple[Tensor, dict[str, Tensor]]:
    """The image as `SEEM.encode_image` takes it, float [3, H, W], and the prompts as masks of its size."""
    stored = golden.shared("input")
    side = network.architecture.multiple
    size = stored["pos"].shape[1:] if side == 32 else (side, side)  # some models only take squares
    image = torch.from_numpy(stored["image"]) if "image" in stored and side == 32 else synthetic_image(*size)
    mean, std = (torch.tensor(values, dtype=network.dtype)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    pixels = image[0].to(mean) * std + mean
    masks = {}
    for name in ("pos", "neg", "pos2"):
        mask = torch.from_numpy(stored[name])
        masks[name] = torch.zeros((len(mask), *pixels.shape[1:]), dtype=torch.bool)
        masks[name][:, : mask.shape[1], : mask.shape[2]] = mask
    return pixels, masks


def synthetic_image(height: int, width: int) -> Tensor:
    """The normalized image of all configurations, [1, 3, H, W]: smooth colors and noise, everywhere the same bits."""
    generator = torch.Generator().manual_seed(20240601)
    low = torch.randn(1, 3, 8, 10, generator=generator)
    high = torch.randn(1, 3, height, width, generator=generator)
    return 1.5 * _enlarge(low, height, width) + 0.25 * high


def _enlarge(image: Tensor, height: int, width: int) -> Tensor:
    """Bilinear interpolation; torch's own rounds differently with one thread than with several."""
    top, bottom, down = _neighbors(image.shape[-2], height)
    left, right, along = _neighbors(image.shape[-1], width)
    rows = _mix(image[..., left], image[..., right], along)
    return _mix(rows[..., top, :], rows[..., bottom, :], down[:, None])


def _neighbors(cells: int, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel the cells before and after its center, and the weight of the latter."""
    place = ((torch.arange(pixels) + 0.5) * (cells / pixels) - 0.5).clamp(min=0)
    first = place.long()
    return first, (first + 1).clamp(max=cells - 1), place - first


def _mix(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean, rounded like a fused multiply-add of the first."""
    return ((1 - weight).double() * first.double() + (weight * second).double()).float()
