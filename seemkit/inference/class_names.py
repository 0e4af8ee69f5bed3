"""Class names as a caller gives them."""

from __future__ import annotations

from collections.abc import Sequence

from seemkit.errors import InputError
from seemkit.types import Vocabulary

Classes = Vocabulary | Sequence[str] | None
"""Class names for labels, any words. In a plain list, all are things. None means the session's own."""


def resolve(classes: Classes, own: Vocabulary | None) -> Vocabulary:
    """Return the vocabulary of the given class names; without any, the session's own.

    Raises:
        InputError: a name is empty or no text, or there are no class names at all.
    """
    if isinstance(classes, Vocabulary):
        return classes
    if classes is not None:
        names = tuple(classes)
        if isinstance(classes, str) or not names or not all(isinstance(n, str) and n.strip() for n in names):
            raise InputError(f"classes: {classes!r}; expected a list of names, none of them empty")
        names = tuple(dict.fromkeys(name.strip() for name in names))  # a repeated name halves its probability
        return Vocabulary(names, (True,) * len(names))
    if own is None:
        raise InputError("classes: the model has no class names; give a list, for example ['cat', 'dog']")
    return own
