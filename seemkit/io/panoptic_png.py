"""Segment ids as the colors of COCO's panoptic PNGs: id = R + 256 G + 65536 B."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def encode_ids(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return segment ids [H, W] as an RGB image [H, W, 3]."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def decode_ids(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the segment ids [H, W] that an RGB image [H, W, 3] encodes."""
    return picture.astype(np.int64) @ np.array([1, 256, 65536])
