"""Masks as COCO's run lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from pycocotools import mask as coco_mask
from torch import Tensor

MOST_BITS = 35
"""Number of bits that is enough for the length of any run of pixels."""


def encode_mask(mask: Bool[Tensor, "H W"]) -> dict[str, Any]:
    """Return the mask as ``{"size": [H, W], "counts": "..."}``, which COCO's tools read."""
    columns = mask.cpu().view(torch.uint8).t().contiguous()
    encoded = coco_mask.encode(columns.numpy().T)
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}


def decode_mask(encoded: Mapping[str, Any]) -> Bool[Tensor, "H W"]:
    """Return the mask from the output of `encode_mask`.

    Raises:
        ValueError: the input is not a run-length mask, or its runs do not fill its size.
    """
    size, counts = encoded.get("size"), encoded.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(v, int) and 0 < v < 2**16 for v in size)):
        raise ValueError("'size' of a run-length mask is not [height, width]")
    if not isinstance(counts, str) or sum(_runs(counts)) != size[0] * size[1]:
        raise ValueError("'counts' of a run-length mask do not fill its size")
    return torch.from_numpy(coco_mask.decode({"size": size, "counts": counts.encode("ascii")}).astype(np.bool_))


def _runs(counts: str) -> list[int]:
    """Return the lengths of the runs in COCO's compressed string, or an empty list if the string is malformed.

    COCO's own decoder does not check the string.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            return []
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
        if shift > MOST_BITS:
            return []
    return runs if not shift and all(run >= 0 for run in runs) else []
