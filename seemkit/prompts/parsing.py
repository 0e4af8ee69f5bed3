"""Prompts as words of a command line: signs and numbers."""

from __future__ import annotations

from collections.abc import Callable

from seemkit.errors import InputError
from seemkit.prompts.checks import Path2D


def read_numbers(kind: str, text: str, form: str, fits: Callable[[int], bool]) -> tuple[bool, list[float]]:
    """Return whether the word is positive (it does not start with ``-``), and its numbers, which commas separate.

    A leading ``+`` makes the next sign part of the first number: ``"+-5,20"`` starts with the number -5.

    Args:
        kind: for the message.
        text: the word, for example ``"-120,80"``.
        form: what is expected, for the message.
        fits: whether a count of numbers is right.

    Raises:
        InputError: a number is unreadable, or the count is wrong.
    """
    try:
        numbers = [float(part) for part in text[text[:1] in ("-", "+") :].split(",")]
    except ValueError:
        numbers = []
    if not fits(len(numbers)):
        raise InputError(f"{kind} {text!r}: expected {form} in pixels; with - before it: not here")
    return not text.startswith("-"), numbers


def read_path(kind: str, text: str, least: int, *, signed: bool = True) -> tuple[bool, Path2D]:
    """Return whether the word is positive, and its points X,Y,X,Y…, at least `least` of them.

    Args:
        kind: for the message.
        text: the word.
        least: least number of points.
        signed: False for a kind without negative prompts.

    Raises:
        InputError: a number is unreadable, there are too few, or the word has a sign that this kind does not know.
    """
    if not signed and text.startswith("-"):
        raise InputError(f"{kind} {text!r}: this kind has no sign; write the points without - before them")
    form = f"X,Y,X,Y,… of at least {least} points"
    positive, numbers = read_numbers(kind, text, form, lambda n: n % 2 == 0 and n >= 2 * least)
    return positive, tuple(zip(numbers[::2], numbers[1::2], strict=True))
