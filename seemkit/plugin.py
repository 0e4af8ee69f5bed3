"""The stable interface for authors of prompt kinds, versioned by `API`.

A package states ``SEEMKIT_API = 2`` in the module that its entry point names, and imports from this module only. A
change that breaks existing plugins increases the version; an addition does not. ``docs/howto/own_prompt_kind.md`` shows
a complete kind, and `seemkit.testing.check_prompt_encoder` tests a kind.

* Values: `Prompt`, the base of a kind's value class, and the values that seemkit itself makes: `Point`, `Mask`, `Text`.
* Bases: `RegionPromptEncoder` for a kind that marks pixels, `TokenPromptEncoder` for a kind that makes tokens, and
  `PromptEncoder`, the base of both.
* Arguments and results of encoders: `Subject`, the object that a simulated user wants; `PromptContext` and
  `OtherImages`, the inputs for making tokens; `PromptTokens` and `EncodedRegion`, the tokens; `ImageContext`, an
  encoded image; `Gesture`, how a graphical program asks for the prompt.
* The hook: `hookimpl`, and `Register`, the type of its argument.
* Token groups: `Group` and `Role` for a new group; `TEXT_PROMPT` and `VISUAL_PROMPT`, existing groups that a kind can
  join; `TEXT_QUERY` and `VISUAL_QUERY`, the queries that can read a new group.
* Pixels: `Region`, `Size`, `paint`, `square`, `center_click`, `load_image`, `UserImage`.
* Checks of fields: `check_lengths`, `check_mask`, `check_numbers`, `check_path`, `check_sign`, `Path2D`.
* Reading and writing: `read_numbers`, `read_path`; `parse_prompt`, `prompt_from_json` and `prompt_to_json` for prompts
  inside a prompt.
* `InputError` for errors that a user can fix; `numpy_generator` for NumPy's distributions.
"""

from __future__ import annotations

from seemkit.errors import InputError
from seemkit.interactive.clicker import center_click
from seemkit.io.user_image import UserImage, load_image
from seemkit.nn.context import ImageContext
from seemkit.nn.tokens import TEXT_PROMPT, TEXT_QUERY, VISUAL_PROMPT, VISUAL_QUERY, Group, Role
from seemkit.ops.generators import numpy_generator
from seemkit.ops.paint import paint
from seemkit.ops.region import Region, square
from seemkit.prompts.checks import Path2D, check_lengths, check_mask, check_numbers, check_path, check_sign
from seemkit.prompts.encoder import (
    Gesture,
    OtherImages,
    PromptContext,
    PromptEncoder,
    RegionPromptEncoder,
    Subject,
    TokenPromptEncoder,
)
from seemkit.prompts.hooks import API, Register, hookimpl
from seemkit.prompts.parsing import read_numbers, read_path
from seemkit.prompts.prepared import EncodedRegion, PromptTokens
from seemkit.prompts.registry import parse_prompt, prompt_from_json, prompt_to_json
from seemkit.prompts.values import Mask, Point, Prompt, Text
from seemkit.types import Size

__all__ = [
    "API",
    "TEXT_PROMPT",
    "TEXT_QUERY",
    "VISUAL_PROMPT",
    "VISUAL_QUERY",
    "EncodedRegion",
    "Gesture",
    "Group",
    "ImageContext",
    "InputError",
    "Mask",
    "OtherImages",
    "Path2D",
    "Point",
    "Prompt",
    "PromptContext",
    "PromptEncoder",
    "PromptTokens",
    "Region",
    "RegionPromptEncoder",
    "Register",
    "Role",
    "Size",
    "Subject",
    "Text",
    "TokenPromptEncoder",
    "UserImage",
    "center_click",
    "check_lengths",
    "check_mask",
    "check_numbers",
    "check_path",
    "check_sign",
    "hookimpl",
    "load_image",
    "numpy_generator",
    "paint",
    "parse_prompt",
    "prompt_from_json",
    "prompt_to_json",
    "read_numbers",
    "read_path",
    "square",
]
