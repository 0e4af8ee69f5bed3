"""Predictions as the objects of other libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seemkit.errors import InputError
from seemkit.formats.base import Categories
from seemkit.inference.prediction import Prediction
from seemkit.types import Vocabulary

if TYPE_CHECKING:
    from supervision import Detections


def to_transformers(found: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return what the image-segmentation pipeline of transformers returns.

    Returns:
        For each prediction ``score``, ``label`` and ``mask``, a Pillow image of mode L with 255 inside the mask.
    """
    return [{"score": one.score, "label": one.label, "mask": one.pil()} for one in found]


def to_supervision(found: Sequence[Prediction], vocabulary: Vocabulary | None = None) -> Detections:
    """Return the predictions that have pixels as `supervision.Detections`, with their labels in ``data["class_name"]``.

    Args:
        found: the predictions.
        vocabulary: classes whose places are the class ids; other labels follow in the order in which they occur.

    Raises:
        InputError: supervision is not installed.
    """
    try:
        from supervision import Detections
    except ImportError as error:
        raise InputError("to_supervision: needs supervision; pip install supervision") from error
    seen = [(one, one.box) for one in found if one.box is not None]
    if not seen:
        return Detections.empty()
    categories = Categories()
    categories.learn(vocabulary)
    return Detections(
        xyxy=np.array([box for _, box in seen], dtype=np.float32),
        mask=np.stack([one.numpy() for one, _ in seen]),
        confidence=np.array([one.score for one, _ in seen], dtype=np.float32),
        class_id=np.array([categories.index(one.label) for one, _ in seen]),
        data={"class_name": np.array([one.label for one, _ in seen])},
    )
