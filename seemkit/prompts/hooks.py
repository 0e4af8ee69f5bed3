"""The hook that a package implements to add prompt kinds.

A package names its module under the entry-point group ``seemkit``. The module states the version of the plugin
interface that it is written for, and implements the hook::

    from seemkit.plugin import hookimpl

    SEEMKIT_API = 2

    @hookimpl
    def seemkit_register_prompts(register):
        register(ScribbleEncoder)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from seemkit.prompts.encoder import PromptEncoder

PROJECT = "seemkit"
API = 2
"""Version of the plugin interface, `seemkit.plugin`. It increases when existing plugins must change."""

Register = Callable[[type[PromptEncoder[Any]]], None]
"""A function that registers one prompt encoder class."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def seemkit_register_prompts(register: Register) -> None:
    """Call `register` with each prompt encoder class of the package."""
