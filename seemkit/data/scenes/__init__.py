"""The built-in data set: seeded, photo-like scenes with exact panoptic maps and referring expressions."""

from __future__ import annotations

from seemkit.data.scenes.contact_sheet import contact_sheet
from seemkit.data.scenes.phrases import Expression
from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.data.scenes.things import Thing
from seemkit.data.scenes.vocabulary import CATEGORY_IDS, CLASSES, COLORS, HELD_OUT, STUFF, THINGS, Pair
from seemkit.data.scenes.writer import write_scenes

__all__ = [
    "CATEGORY_IDS",
    "CLASSES",
    "COLORS",
    "HELD_OUT",
    "STUFF",
    "THINGS",
    "Expression",
    "Pair",
    "Scene",
    "Thing",
    "contact_sheet",
    "make_scene",
    "write_scenes",
]
