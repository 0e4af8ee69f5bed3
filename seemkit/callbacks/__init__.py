"""Callbacks for training, test and prediction: evaluations, the report, writers. A configuration names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from seemkit.callbacks.evaluation.instances import InstanceEvaluation
    from seemkit.callbacks.evaluation.interactive import InteractiveEvaluation
    from seemkit.callbacks.evaluation.panoptic import PanopticEvaluation
    from seemkit.callbacks.evaluation.referred_regions import ReferredRegionEvaluation
    from seemkit.callbacks.evaluation.referring import ReferringEvaluation
    from seemkit.callbacks.evaluation.video import VideoEvaluation
    from seemkit.callbacks.progress import Progress
    from seemkit.callbacks.report.picture_grid import PictureGrid
    from seemkit.callbacks.report.report import Report
    from seemkit.callbacks.weights import SaveWeights
    from seemkit.callbacks.writer import PredictionWriter

__all__ = [
    "InstanceEvaluation",
    "InteractiveEvaluation",
    "PanopticEvaluation",
    "PictureGrid",
    "PredictionWriter",
    "Progress",
    "ReferredRegionEvaluation",
    "ReferringEvaluation",
    "Report",
    "SaveWeights",
    "VideoEvaluation",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.instances": ["InstanceEvaluation"],
        "evaluation.interactive": ["InteractiveEvaluation"],
        "evaluation.panoptic": ["PanopticEvaluation"],
        "evaluation.referred_regions": ["ReferredRegionEvaluation"],
        "evaluation.referring": ["ReferringEvaluation"],
        "evaluation.video": ["VideoEvaluation"],
        "progress": ["Progress"],
        "report.picture_grid": ["PictureGrid"],
        "report.report": ["Report"],
        "weights": ["SaveWeights"],
        "writer": ["PredictionWriter"],
    },
)
