"""seemkit: segment everything everywhere, with any mix of prompts.

Names are imported when they are first used, so ``import seemkit`` is fast. The module also has the value class of every
installed prompt kind, for example ``seemkit.Lasso`` if a package with the kind ``lasso`` is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lazy_loader

from seemkit._version import __version__

if TYPE_CHECKING:
    from seemkit.inference.session import Session
    from seemkit.inference.tracker import Tracker
    from seemkit.model.seem import SEEM
    from seemkit.plugin import PromptEncoder, RegionPromptEncoder, Subject, TokenPromptEncoder, hookimpl
    from seemkit.prompts.values import Mask, Point, Prompt, Text
    from seemkit_prompts.box import Box
    from seemkit_prompts.circle import Circle
    from seemkit_prompts.polygon import Polygon
    from seemkit_prompts.referred_region import RegionOf
    from seemkit_prompts.scribble import Scribble

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
    "TokenPromptEncoder",
    "Tracker",
    "__version__",
    "hookimpl",
]

_core, _, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "inference.session": ["Session"],
        "inference.tracker": ["Tracker"],
        "model.seem": ["SEEM"],
        "plugin": ["PromptEncoder", "RegionPromptEncoder", "Subject", "TokenPromptEncoder", "hookimpl"],
        "prompts.values": ["Mask", "Point", "Prompt", "Text"],
    },
)


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute can be anything)
    """Return a public name of the core, or the value class of an installed prompt kind."""
    try:
        return _core(name)
    except AttributeError:
        if not name[:1].isupper():
            raise  # not a class; `from seemkit import data`, for example, must not load the plugins
    from seemkit.prompts.registry import installed

    for kind in installed().kinds.values():
        if kind.encoder.accepts.__name__ == name:
            return kind.encoder.accepts
    raise AttributeError(f"module 'seemkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
