"""The plugin interface: what a package implements to add prompt kinds.

A package names its module under the entry-point group ``seemkit``; the module implements this hook::

    from seemkit import hookimpl

    @hookimpl
    def seemkit_register_prompts(register):
        register(ScribbleEncoder)

and may say with ``SEEMKIT_API = 1`` which version of the interface it is written for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from seemkit.prompts.encoder import PromptEncoder

PROJECT = "seemkit"
API = 1
"""Version of the plugin interface: it grows when plugins have to be changed."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def seemkit_register_prompts(register: Callable[[type[PromptEncoder[Any]]], None]) -> None:
    """Call `register` with each prompt encoder class of the package."""
