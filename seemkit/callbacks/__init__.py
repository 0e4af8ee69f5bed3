"""Evaluations and services that a configuration lists by name."""

from seemkit.callbacks.instances import InstanceEvaluation
from seemkit.callbacks.interactive import InteractiveEvaluation
from seemkit.callbacks.panoptic import PanopticEvaluation
from seemkit.callbacks.pictures import PictureGrid
from seemkit.callbacks.progress import Progress
from seemkit.callbacks.referring import ReferringEvaluation
from seemkit.callbacks.report import Report
from seemkit.callbacks.requeue import Requeue
from seemkit.callbacks.video import VideoEvaluation
from seemkit.callbacks.weights import SaveWeights
from seemkit.callbacks.writer import PanopticWriter

__all__ = [
    "InstanceEvaluation",
    "InteractiveEvaluation",
    "PanopticEvaluation",
    "PanopticWriter",
    "PictureGrid",
    "Progress",
    "ReferringEvaluation",
    "Report",
    "Requeue",
    "SaveWeights",
    "VideoEvaluation",
]
