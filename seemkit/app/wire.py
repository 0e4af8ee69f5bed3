"""What requests and answers hold: prompts and predictions as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pycocotools import mask as coco_mask
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor

from seemkit.errors import InputError
from seemkit.inference.prediction import Prediction
from seemkit.inference.session import Session
from seemkit.ops.rle import decode_mask, encode_mask
from seemkit.prompts.registry import installed, prompt_from_json
from seemkit.prompts.values import Prompt
from seemkit.types import Size

Name = Field(default="object", min_length=1, max_length=200)
Words = Field(default=None, max_length=1000)
Share = Field(default=0.5, ge=0, le=1)


def _encodable(text: str) -> str:
    """Return a text that can be written.

    Raises:
        ValueError: it has half a character, which JSON can hold and files cannot.
    """
    text.encode()
    return text


Word = Annotated[str, AfterValidator(_encodable)]


class Body(BaseModel):
    """Base of all bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class OpenImage(Body):
    """An image of the folder to open."""

    image: str = Field(min_length=1, max_length=1000)


class AddPrompts(Body):
    """Prompts for an object, as one round.

    Each prompt has a ``kind`` and either the fields of the kind, as in ``result.json``, or a ``word``, as on the
    command line. A region of another image has the ``session`` of that image and ``prompts`` in it.
    """

    object: Word = Name
    prompts: list[dict[str, Any]] = Field(min_length=1, max_length=1000)


class Reset(Body):
    """The object to remove; all objects without one."""

    object: str | None = None


class Everything(Body):
    """Segmentation without a prompt: without overlaps, things that may overlap, or the pixels of each class."""

    mode: Literal["panoptic", "instances", "semantic"] = "panoptic"
    classes: list[Word] | None = Words
    threshold: float = Share


class FindAll(Body):
    """Prompts that show or name what every object that is found must be like."""

    prompts: list[dict[str, Any]] = Field(min_length=1, max_length=100)
    classes: list[Word] | None = Words
    threshold: float = Share


class Retouch(Body):
    """A stroke of a brush that adds to a mask, or of an eraser."""

    mask: dict[str, Any]
    points: list[tuple[float, float]] = Field(min_length=1, max_length=10_000)
    width: float = Field(gt=0, le=2000)
    erase: bool = False


class LabeledObject(Body):
    """An object of an image of the folder, with the identifier of its annotation if it has one already."""

    label: Word = Field(min_length=1, max_length=200)
    mask: dict[str, Any]
    id: int | None = None


class Labels(Body):
    """All objects of an image of the folder."""

    objects: list[LabeledObject] = Field(max_length=10_000)


class Export(Body):
    """The format in which all labels are written."""

    format: str = Field(max_length=40)


def read_prompt(values: dict[str, Any], size: Size, session_of: Callable[[str], Session]) -> Prompt:
    """Return the prompt that a request describes.

    Args:
        values: see `AddPrompts`.
        size: size of the image that the prompt is for.
        session_of: returns the session with an identifier.

    Raises:
        InputError: the prompt is wrong, or would read a file of this machine.
    """
    kind = values.get("kind")
    if not isinstance(kind, str):
        raise InputError("a prompt has no 'kind'")
    encoder = installed()[kind].encoder
    if encoder.gesture == "reference":
        given, other = values.get("prompts"), values.get("session")
        if not (isinstance(given, list) and given and all(isinstance(one, dict) for one in given)):
            raise InputError(f"{kind}: needs 'prompts' in the other image")
        if not isinstance(other, str):
            raise InputError(f"{kind}: needs the 'session' of the other image")
        if any(one.get("kind") == kind for one in given):
            raise InputError(f"{kind}: the region of another image cannot be given by a third one")
        session = session_of(other)
        inside = tuple(read_prompt(one, session.size, session_of) for one in given)
        return encoder.accepts(session.context, inside)  # type: ignore[call-arg]
    if "word" in values:
        if encoder.gesture == "file" or not isinstance(values["word"], str):
            raise InputError(f"{kind}: a request cannot name a file; give the fields of the kind")
        return encoder.parse(values["word"])
    for value in values.values():
        if isinstance(value, dict):
            check_size(value, size)
    return prompt_from_json(values)


def check_size(mask: dict[str, Any], size: Size) -> None:
    """Raise InputError unless a run-length mask has the size of the image, before it is decoded."""
    if mask.get("size") != [size.height, size.width]:
        raise InputError(f"a mask has the size {str(mask.get('size'))[:60]}; expected {[size.height, size.width]}")


def read_mask(mask: dict[str, Any], size: Size) -> Tensor:
    """Return a mask, bool [H, W].

    Raises:
        InputError: it is not a run-length mask of the image's size.
    """
    check_size(mask, size)
    try:
        return decode_mask(mask)
    except ValueError as error:
        raise InputError(str(error)) from error


def mask_record(mask: Tensor) -> dict[str, Any]:
    """Return a mask as plain data: its run lengths, its number of pixels, and the box around it."""
    encoded = encode_mask(mask)
    runs = {**encoded, "counts": encoded["counts"].encode()}
    left, top, width, height = coco_mask.toBbox(runs).astype(int).tolist()
    box = [left, top, left + width, top + height] if width else None
    return {"mask": encoded, "area": int(coco_mask.area(runs)), "box": box}


def prediction_record(found: Prediction) -> dict[str, Any]:
    """Return a prediction as plain data."""
    return {"label": found.label, "score": round(found.score, 6), **mask_record(found.mask)}
