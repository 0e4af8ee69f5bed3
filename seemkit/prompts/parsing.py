"""Parsing of signs and numbers in prompts on the command line."""

from __future__ import annotations

from collections.abc import Callable

from seemkit.errors import InputError
from seemkit.prompts.checks import Path2D


def read_numbers(kind: str, text: str, form: str, fits: Callable[[int], bool]) -> tuple[bool, list[float]]:
    """Return whether the text is positive (does not start with ``-``), and its comma-separated numbers.

    After a leading ``+``, a sign belongs to the first number: ``"+-5,20"`` starts with the number -5.

    Args:
        kind: the prompt kind, for the message.
        text: for example ``"-120,80"``.
        form: the expected form, for the message.
        fits: function that returns whether a count of numbers is right.

    Raises:
        InputError: a number is unreadable, or the count is wrong.
    """
    try:
        numbers = [float(part) for part in text[text[:1] in ("-", "+") :].split(",")]
    except ValueError:
        numbers = []
    if not fits(len(numbers)):
        raise InputError(f"{kind} {text!r}: expected {form} in pixels; write - in front for a negative prompt")
    return not text.startswith("-"), numbers


def read_path(kind: str, text: str, least: int, *, signed: bool = True) -> tuple[bool, Path2D]:
    """Return whether the text X,Y,X,Y,… is positive, and its points.

    Args:
        kind: the prompt kind, for the message.
        text: for example ``"10,20,30,25"``.
        least: minimum number of points.
        signed: False for a kind without negative prompts.

    Raises:
        InputError: a number is unreadable, there are too few points, or this kind has no sign but the text starts
            with ``-``.
    """
    if not signed and text.startswith("-"):
        raise InputError(f"{kind} {text!r}: this kind has no sign; remove the leading -")
    form = f"X,Y,X,Y,… with at least {least} points"
    positive, numbers = read_numbers(kind, text, form, lambda n: n % 2 == 0 and n >= 2 * least)
    return positive, tuple(zip(numbers[::2], numbers[1::2], strict=True))
