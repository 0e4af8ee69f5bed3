"""The file formats by name."""

from __future__ import annotations

from seemkit.formats.base import Format
from seemkit.formats.coco import CocoInstances, CocoPanoptic
from seemkit.formats.label_studio import LabelStudio
from seemkit.formats.labelme import Labelme
from seemkit.formats.palette import Palette
from seemkit.formats.yolo import Yolo

FORMATS: dict[str, type[Format]] = {
    "coco-instances": CocoInstances,
    "coco-panoptic": CocoPanoptic,
    "labelme": Labelme,
    "yolo": Yolo,
    "label-studio": LabelStudio,
    "palette": Palette,
}
