"""The images of the folder and their labels over HTTP, and what the page must know at first."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from fastapi import APIRouter
from fastapi.responses import Response

from seemkit.app.label_folder import Labeled, LabelFolder
from seemkit.app.served import Record, Use
from seemkit.app.wire import Export, Labels, mask_record, read_mask
from seemkit.errors import InputError
from seemkit.formats.base import Format, SegmentedImage
from seemkit.formats.registry import FORMATS
from seemkit.inference.class_names import resolve
from seemkit.inference.prediction import Prediction
from seemkit.prompts.registry import installed
from seemkit.types import Vocabulary

router = APIRouter(prefix="/v1", tags=["images"])


@router.get("/info")
async def info(use: Use) -> Record:
    """Return the model, its classes, what it answers, the prompt kinds with their gestures, and the images.

    ``names`` tells whether the model names what it finds; otherwise the user does.
    """
    network, folder = use.store.network, use.folder
    asked = use.store.classes or network.vocabulary
    names = [*(folder.classes if folder else []), *([] if asked is None else resolve(asked, None).names)]
    return {
        "model": use.model,
        "classes": list(dict.fromkeys(names)),
        "names": use.store.names_things,
        "answers": list(network.architecture.answers),
        "kinds": [
            {"kind": name, "gesture": kind.encoder.gesture, "signed": "positive" in _fields(kind.encoder.accepts)}
            for name, kind in installed().kinds.items()
            if kind.encoder.gesture is not None
        ],
        "first": None if use.first is None else use.first.name,
        "formats": list(FORMATS),
        "folder": None if folder is None else str(folder.root),
    }


@router.get("/images")
async def list_images(use: Use) -> list[Record]:
    """Return the images of the folder, and which of them are labeled."""
    if use.folder is None:
        return []
    return [{"image": name, "labeled": use.folder.is_labeled(name)} for name in use.folder.names]


@router.get("/labels/{image:path}")
async def read_labels(image: str, use: Use) -> list[Record]:
    """Return the objects of an image of the folder."""
    folder = _folder(use)
    found = await use.worker.run(lambda: folder.read(image))
    return [{"id": one.id, "label": one.label, **mask_record(one.mask)} for one in found]


@router.put("/labels/{image:path}")
async def write_labels(image: str, labels: Labels, use: Use) -> Record:
    """Replace the objects of an image of the folder, and return the identifiers of their annotations.

    The file is complete when the answer comes.
    """
    folder = _folder(use)

    def write() -> list[int | None]:
        size = folder.size(image)
        return folder.write(image, [Labeled(one.label, read_mask(one.mask, size), one.id) for one in labels.objects])

    return {"ids": await use.worker.run(write)}


@router.post("/export", response_class=Response)
async def export(asked: Export, use: Use) -> Response:
    """Return the labels of all images in a format of `seemkit segment`, as a ZIP file."""
    folder = _folder(use)
    if asked.format not in FORMATS:
        raise InputError(f"format {asked.format!r}: use one of {', '.join(FORMATS)}")
    content = await use.worker.run(lambda: _zipped(folder, asked.format))
    headers = {"content-disposition": f'attachment; filename="{asked.format}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


def _zipped(folder: LabelFolder, name: str) -> bytes:
    """Return the labels of all images as a ZIP file; its folders are those in which the images are to lie."""
    vocabulary = Vocabulary(tuple(folder.classes), (True,) * len(folder.classes))
    with TemporaryDirectory() as place:
        out = Path(place) / folder.root.resolve().name
        writers: dict[Path, Format] = {}
        for image in filter(folder.is_labeled, folder.names):
            path = out / image
            if path.parent not in writers:
                path.parent.mkdir(parents=True)
                writers[path.parent] = FORMATS[name](path.parent)
            found = [Prediction(one.mask, one.mask.float() * 2 - 1, one.label, 1.0) for one in folder.read(image)]
            writers[path.parent].add(SegmentedImage(path, folder.size(image), found, vocabulary))
        for writer in writers.values():
            writer.finish()
        packed = Path(place) / "labels.zip"
        with ZipFile(packed, "w") as file:
            for path in sorted(out.rglob("*")):
                file.write(path, path.relative_to(place))
        return packed.read_bytes()


def _folder(use: Any) -> LabelFolder:  # noqa: ANN401 (FastAPI reads the annotation)
    if use.folder is None:
        raise InputError("the server was started without a folder: seemkit app FOLDER")
    found: LabelFolder = use.folder
    return found


def _fields(value: type[Any]) -> set[str]:
    return set(getattr(value, "__dataclass_fields__", {}))
