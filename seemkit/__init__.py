"""seemkit: segment everything everywhere, with any mix of prompts.

Names are imported when they are first used, so that ``import seemkit`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seemkit._version import __version__

if TYPE_CHECKING:
    from seemkit.network import SEEM
    from seemkit.prompts.encoder import PromptEncoder, RegionPrompt, Subject
    from seemkit.prompts.hooks import hookimpl
    from seemkit.prompts.values import Box, Circle, Mask, Point, Polygon, Prompt, RegionOf, Scribble, Text
    from seemkit.session import Session
    from seemkit.tracking import Tracker

__all__ = [
    "SEEM",
    "Box",
    "Circle",
    "Mask",
    "Point",
    "Polygon",
    "Prompt",
    "PromptEncoder",
    "RegionOf",
    "RegionPrompt",
    "Scribble",
    "Session",
    "Subject",
    "Text",
    "Tracker",
    "__version__",
    "hookimpl",
]

_HOME = {
    "SEEM": "seemkit.network",
    "Box": "seemkit.prompts.values",
    "Circle": "seemkit.prompts.values",
    "Mask": "seemkit.prompts.values",
    "Point": "seemkit.prompts.values",
    "Polygon": "seemkit.prompts.values",
    "Prompt": "seemkit.prompts.values",
    "PromptEncoder": "seemkit.prompts.encoder",
    "RegionOf": "seemkit.prompts.values",
    "RegionPrompt": "seemkit.prompts.encoder",
    "Scribble": "seemkit.prompts.values",
    "Session": "seemkit.session",
    "Subject": "seemkit.prompts.encoder",
    "Text": "seemkit.prompts.values",
    "Tracker": "seemkit.tracking",
    "hookimpl": "seemkit.prompts.hooks",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute can be anything)
    if name not in _HOME:
        raise AttributeError(f"module 'seemkit' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
