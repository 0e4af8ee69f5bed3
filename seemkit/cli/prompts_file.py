"""Prompts of named objects, from command-line words and from a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seemkit.errors import InputError
from seemkit.io.json_file import read_json
from seemkit.prompts.registry import parse_prompt, prompt_from_json
from seemkit.prompts.values import Prompt


def named_prompts(words: Sequence[str], file: Path | None) -> dict[str, tuple[Prompt, ...]]:
    """Return the prompts of each object by its name; `words` describe the object named "object".

    Args:
        words: ``"kind=value"`` for each prompt.
        file: JSON file for `read_prompts`, or None.

    Raises:
        InputError: a word does not describe a prompt, or `read_prompts` raises it.
    """
    objects = read_prompts(file) if file is not None else {}
    if words:
        objects["object"] = (*objects.get("object", ()), *(parse_prompt(word) for word in words))
    return objects


def read_prompts(path: Path) -> dict[str, tuple[Prompt, ...]]:
    """Return the prompts of each object in a file ``{"prompts": {NAME: [{"kind": KIND, ...}, ...], ...}}``.

    The ``result.json`` of an earlier call is such a file.

    Raises:
        InputError: the file is missing, is not JSON or has another layout, a prompt is wrong, or an object has none.
    """
    objects = read_json(path).get("prompts")
    if not isinstance(objects, dict) or not all(isinstance(prompts, list) for prompts in objects.values()):
        raise InputError(f'{path}: expected prompts as {{"prompts": {{NAME: [{{"kind": KIND, ...}}, ...]}}}}')
    try:
        found = {name: tuple(prompt_from_json(values) for values in prompts) for name, prompts in objects.items()}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    empty = [name for name, prompts in found.items() if not prompts]
    if empty:
        raise InputError(f"{path}: object {empty[0]!r} has no prompt")
    return found
