"""Referring expressions for the things of a scene; each fits exactly one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

import numpy as np

from seemkit.data.scenes.things import Thing
from seemkit.data.scenes.vocabulary import HELD_OUT, Pair

Form: TypeAlias = tuple[str, ...]

MOST: Final = 6
MOST_RELATIONS: Final = 2
FORMS: Final[dict[Form, float]] = {
    ("color",): 1.0,
    ("shape",): 1.0,
    ("color", "shape"): 3.0,
    ("size", "shape"): 0.7,
    ("size", "color", "shape"): 0.7,
}
"""The attributes that a phrase names, and the weight of each choice."""
_RELATED_FORMS: Final[tuple[Form, ...]] = (("color",), ("shape",), ("color", "shape"))
RELATIONS: Final = {"left of": ("x", -1), "right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}
"""Coordinate and direction of each relation."""

_NEEDED: Final = 4.0
"""Factor on the weight of a phrase of several attributes if none of them can be omitted."""
_CLEARLY: Final = 10
"""Least distance of a target from the anchor toward the named side, in pixels of a scene of 128."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A phrase and the thing it refers to.

    Attributes:
        text: for example ``"the red star left of the blue ring"``.
        id: id of the thing in the panoptic map of the scene.
        tags: ``"attribute"`` or ``"relation"``, then ``"unseen"`` if the phrase names a held-out pair as the thing's
            color and shape.
    """

    text: str
    id: int
    tags: tuple[str, ...]


def expressions(rng: np.random.Generator, things: Sequence[Thing], size: int) -> tuple[Expression, ...]:
    """Return up to `MOST` random unambiguous expressions; longer forms occur mostly where they are needed."""
    related = _related(things, size)
    relations = [related[i] for i in rng.permutation(len(related))[:MOST_RELATIONS]]
    single, weights = _single(things)
    count = min(MOST - MOST_RELATIONS, len(single))
    chosen = rng.choice(len(single), count, replace=False, p=np.divide(weights, sum(weights))) if single else ()
    return (*(single[i] for i in chosen), *relations)


def _words(thing: Thing, form: Form) -> str:
    """Return the description of a thing by the attributes in `form`, for example ``"the small red star"``."""
    words = {"size": "large" if thing.large else "small", "color": thing.color, "shape": thing.shape}
    return " ".join(["the", *(words[name] for name in form), *(() if "shape" in form else ("thing",))])


def _fits(thing: Thing, target: Thing, form: Form) -> bool:
    """Return whether the description of `target` also fits `thing`; the color of one side of `thing` counts too."""
    return (
        ("color" not in form or target.color in (thing.color, thing.second))
        and ("shape" not in form or thing.shape == target.shape)
        and ("size" not in form or thing.large == target.large)
    )


def _alone(things: Sequence[Thing], target: Thing, form: Form) -> bool:
    return sum(_fits(thing, target, form) for thing in things) == 1


def _tags(target: Thing, form: Form, kind: str) -> tuple[str, ...]:
    unseen = {"color", "shape"} <= set(form) and Pair(target.color, target.shape) in HELD_OUT
    return (kind, "unseen") if unseen else (kind,)


def _single(things: Sequence[Thing]) -> tuple[list[Expression], list[float]]:
    """Return all unambiguous attribute phrases and their weights."""
    found, weights = [], []
    for target in things:
        clear = [form for form in FORMS if _alone(things, target, form)]
        for form in clear:
            found.append(Expression(_words(target, form), target.id, _tags(target, form, "attribute")))
            needed = not any(set(shorter) < set(form) for shorter in clear)
            weights.append(FORMS[form] * (_NEEDED if needed and len(form) > 1 else 1))
    return found, weights


def _related(things: Sequence[Thing], size: int) -> list[Expression]:
    """Return all unambiguous relation phrases whose target is ambiguous without the relation."""
    named = [thing for thing in things if _alone(things, thing, ("color", "shape"))]
    found = []
    for target, form in product(things, _RELATED_FORMS):
        rivals = [thing for thing in things if thing is not target and _fits(thing, target, form)]
        for anchor, relation in product(named if rivals else (), RELATIONS):
            others = [thing for thing in rivals if thing is not anchor]
            if anchor is target or not others or any(_possible(relation, thing, anchor) for thing in others):
                continue
            if _holds(relation, target, anchor, size):
                text = f"{_words(target, form)} {relation} {_words(anchor, ('color', 'shape'))}"
                found.append(Expression(text, target.id, _tags(target, form, "relation")))
    return found


def _offset(relation: str, thing: Thing, anchor: Thing) -> tuple[float, float]:
    """Return the offset in pixels from the anchor to the thing, along the relation's direction and across it."""
    axis, sign = RELATIONS[relation]
    dx, dy = thing.x - anchor.x, thing.y - anchor.y
    return (sign * dx, dy) if axis == "x" else (sign * dy, dx)


def _holds(relation: str, thing: Thing, anchor: Thing, size: int) -> bool:
    """Return whether the thing is clearly on the named side of the anchor and not mainly in another direction."""
    along, across = _offset(relation, thing, anchor)
    return along >= _CLEARLY * size / 128 and along >= 0.5 * abs(across)


def _possible(relation: str, thing: Thing, anchor: Thing) -> bool:
    """Return whether the thing is on the named side of the anchor, even by a fraction of a pixel."""
    return _offset(relation, thing, anchor)[0] > 0
