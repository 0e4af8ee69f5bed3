"""Sessions over HTTP: open an image, prompt its objects, segment everything."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from PIL import Image

from seemkit.app.served import Record, Served, Use
from seemkit.app.wire import (
    AddPrompts,
    Everything,
    FindAll,
    OpenImage,
    Reset,
    Retouch,
    check_size,
    mask_record,
    prediction_record,
    read_mask,
)
from seemkit.errors import InputError
from seemkit.inference.class_names import resolve
from seemkit.inference.drawing import to_pil
from seemkit.inference.session import Session
from seemkit.io.image import open_image, read_image
from seemkit.ops.paint import paint
from seemkit.prompts.values import Mask

router = APIRouter(prefix="/v1", tags=["sessions"])
BROWSERS = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp")
"""Types of images that every browser shows, and turns upright."""


@router.post("/sessions")
async def open_session(asked: OpenImage, use: Use) -> Record:
    """Open an image of the folder, or the image with which the server was started, in a new session."""
    path = _named(use, asked.image)
    return await use.worker.run(lambda: _describe(use, use.store.open(path, asked.image)))


@router.post("/sessions/upload")
async def upload(use: Use, image: Annotated[bytes, Body(media_type="application/octet-stream")]) -> Record:
    """Open the image whose file is the body in a new session."""
    path = await _keep(use, image)
    return await use.worker.run(lambda: _describe(use, use.store.open(path, "image", temporary=True)))


@router.get("/sessions/{session}")
async def read_session(session: str, use: Use) -> Record:
    """Return the size of the image, and the objects with their prompts' number and their masks."""
    return await use.worker.run(lambda: _describe(use, session))


@router.delete("/sessions/{session}")
async def close_session(session: str, use: Use) -> Record:
    """Forget a session and its image."""
    await use.worker.run(lambda: use.store.close(session))
    return {}


@router.get("/sessions/{session}/image", response_class=Response)
async def session_image(session: str, use: Use) -> Response:
    """Return the image: its file if browsers show its format, and otherwise a PNG."""
    entry = use.store.entry(session)
    content, kind = await use.worker.run(lambda: shown(entry.source))
    return Response(content, media_type=kind, headers={"cache-control": "private, max-age=3600"})


@router.post("/sessions/{session}/prompts", response_model=None)
async def add_prompts(session: str, asked: AddPrompts, use: Use) -> Record | JSONResponse:
    """Add prompts for an object, as one round, and return its mask.

    If a later request for the same object already waits, the prompts are added, and the status is 409: the answer to
    the later request has their effect.
    """
    tickets, name = use.store.entry(session).tickets, asked.object
    ticket = tickets[name] = tickets.get(name, 0) + 1

    def add(one: Session) -> None:
        # read anew when the session is restored: a region of another image holds that image encoded
        one.add(*use.store.prompts(asked.prompts, one.size), name=name)

    def predict(one: Session) -> Record | JSONResponse:
        if not any(prompt.positive for prompt in one.prompts[name]):
            raise InputError("all prompts of the object are negative; begin with one that is on it")
        if tickets[name] != ticket:
            return JSONResponse({"error": "a later request for this object waits; its answer counts"}, 409)
        return {"object": name, **prediction_record(one.predict(name=name))}

    return await use.worker.run(lambda: use.store.change(session, add, predict))


@router.post("/sessions/{session}/undo")
async def undo(session: str, use: Use) -> Record:
    """Take the last change back, and return the session."""
    return await _changed(use, session, Session.undo)


@router.post("/sessions/{session}/redo")
async def redo(session: str, use: Use) -> Record:
    """Repeat what was taken back, and return the session."""
    return await _changed(use, session, Session.redo)


@router.post("/sessions/{session}/reset")
async def reset(session: str, asked: Reset, use: Use) -> Record:
    """Remove an object, or all, and return the session."""
    return await _changed(use, session, lambda one: one.reset(asked.object))


@router.post("/sessions/{session}/everything")
async def everything(session: str, asked: Everything, use: Use, request: Request) -> list[Record]:
    """Segment the image without a prompt; not if the client has closed the connection before it is its turn."""

    def answer() -> list[Record]:
        one = use.store.session(session)
        if asked.mode == "semantic":
            return _by_class(one, asked.classes)
        ask: Callable[..., Any] = one.panoptic if asked.mode == "panoptic" else one.instances
        return [prediction_record(found) for found in ask(asked.classes, asked.threshold)]

    return await use.worker.run(answer, request.is_disconnected)


@router.post("/sessions/{session}/find")
async def find(session: str, asked: FindAll, use: Use, request: Request) -> list[Record]:
    """Return every object that the prompts mean; not if the client has closed the connection before it is its turn."""

    def answer() -> list[Record]:
        one = use.store.session(session)
        prompts = use.store.prompts(asked.prompts, one.size)
        found = one.find_all(*prompts, classes=asked.classes, threshold=asked.threshold)
        return [prediction_record(prediction) for prediction in found]

    return await use.worker.run(answer, request.is_disconnected)


@router.post("/sessions/{session}/retouch")
async def retouch(session: str, asked: Retouch, use: Use) -> Record:
    """Return a mask after a stroke of a brush or an eraser."""

    def answer() -> Record:
        size = use.store.session(session).size
        mask = read_mask(asked.mask, size)
        rows, columns = paint(asked.points, asked.width, size).T
        mask[rows, columns] = not asked.erase
        return mask_record(mask)

    return await use.worker.run(answer)


@router.post("/sessions/{session}/mask")
async def read_mask_file(
    session: str, use: Use, image: Annotated[bytes, Body(media_type="application/octet-stream")]
) -> Record:
    """Return the mask in the image file that is the body, to be given as a prompt; see `Mask.read`."""
    path = await _keep(use, image)

    def answer() -> Record:
        try:
            mask = Mask.read(path).mask
        except InputError as error:
            raise InputError(str(error).replace(str(path), "the file")) from error
        finally:
            path.unlink()
        check_size({"size": list(mask.shape)}, use.store.session(session).size)
        return mask_record(mask)

    return await use.worker.run(answer)


@router.post("/segment")
async def segment(
    use: Use, image: Annotated[UploadFile, File()], prompts: Annotated[str, Form()] = "[]", threshold: float = 0.5
) -> list[Record]:
    """Segment one image in one request: the object that the prompts describe, or everything without prompts.

    ``prompts`` is a JSON list, see the prompts of a session. Nothing is kept.
    """
    try:
        asked = json.loads(prompts)
    except (ValueError, RecursionError) as error:
        raise InputError(f"prompts: is not JSON: {error}") from error
    if not (isinstance(asked, list) and all(isinstance(one, dict) for one in asked)):
        raise InputError("prompts: expected a list of objects with a 'kind'")
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold: is {threshold}; expected 0 to 1")
    path = await _keep(use, await image.read())
    return await use.worker.run(partial(_segment, use, path, asked, threshold))


def _segment(use: Served, path: Path, asked: list[Record], threshold: float) -> list[Record]:
    session = use.store.open(path, "image", temporary=True)
    try:
        one = use.store.session(session)
        given = use.store.prompts(asked, one.size)
        found = [one.predict(*given)] if given else one.panoptic(threshold=threshold)
        return [prediction_record(prediction) for prediction in found]
    finally:
        use.store.close(session)


def _by_class(session: Session, classes: list[str] | None) -> list[Record]:
    """Return the pixels of each class that has some."""
    semantic = session.semantic(classes)
    names = resolve(classes, session.vocabulary).names
    found = [(names[label], semantic == label) for label in semantic.unique().tolist()]
    return [{"label": name, "score": None, **mask_record(mask)} for name, mask in found]


async def _changed(use: Served, session: str, step: Callable[[Session], object]) -> Record:
    return await use.worker.run(lambda: use.store.change(session, step, lambda _: _describe(use, session)))


def _describe(use: Served, identifier: str) -> Record:
    """Return a session as plain data; called in the worker's thread."""
    session = use.store.session(identifier)
    objects = [
        {"object": name, "prompts": len(session.prompts[name]), **prediction_record(found)}
        for name, found in session.predict_all().items()
    ]
    width, height = session.size.width, session.size.height
    return {"session": identifier, "width": width, "height": height, "objects": objects}


def _named(use: Served, name: str) -> Path:
    """Return an image of the folder, or the first image."""
    if use.first is not None and name == use.first.name:
        return use.first
    if use.folder is None:
        raise InputError(f"{name[:100]!r}: no such image; send one to /v1/sessions/upload")
    return use.folder.path(name)


async def _keep(use: Served, content: bytes) -> Path:
    """Write an image that was sent into the folder of uploads."""
    if not content:
        raise InputError("the body is empty; send the file of an image")
    path = use.uploads / secrets.token_hex(8)
    path.write_bytes(content)
    return path


def shown(path: Path) -> tuple[bytes, str]:
    """Return an image file as browsers show it, and its type.

    Raises:
        InputError: the file is gone or is not an image.
    """
    kind = Image.MIME.get(open_image(str(path)).format or "", "")
    if kind in BROWSERS:
        return path.read_bytes(), kind
    picture = io.BytesIO()
    to_pil(read_image(str(path), upright=True)).save(picture, "PNG")
    return picture.getvalue(), "image/png"
