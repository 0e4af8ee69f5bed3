"""seemkit: segment everything everywhere, with any mix of prompts.

Names are imported when they are first used, so ``import seemkit`` costs nothing. Besides the names below, the value
class of every installed prompt kind is here: ``seemkit.Lasso``, once a package brings the kind ``lasso``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lazy_loader

from seemkit._version import __version__

if TYPE_CHECKING:
    from seemkit.inference.session import Session
    from seemkit.inference.tracker import Tracker
    from seemkit.model.seem import SEEM
    from seemkit.prompts.encoder import PromptEncoder, RegionPromptEncoder, Subject
    from seemkit.prompts.hooks import hookimpl
    from seemkit.prompts.values import Box, Circle, Mask, Point, Polygon, Prompt, RegionOf, Scribble, Text

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
    "RegionPromptEncoder",
    "Scribble",
    "Session",
    "Subject",
    "Text",
    "Tracker",
    "__version__",
    "hookimpl",
]

_own, _, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "inference.session": ["Session"],
        "inference.tracker": ["Tracker"],
        "model.seem": ["SEEM"],
        "prompts.encoder": ["PromptEncoder", "RegionPromptEncoder", "Subject"],
        "prompts.hooks": ["hookimpl"],
        "prompts.values": ["Box", "Circle", "Mask", "Point", "Polygon", "Prompt", "RegionOf", "Scribble", "Text"],
    },
)


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute can be anything)
    return _own(name)
