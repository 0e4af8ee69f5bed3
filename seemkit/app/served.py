"""What the server works with, and how its routes get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from seemkit.app.label_folder import LabelFolder
from seemkit.app.store import SessionStore
from seemkit.app.worker import Worker

Record = dict[str, Any]
"""An object of an answer, in JSON."""


@dataclass
class Served:
    """What the server works with.

    Attributes:
        store: the sessions.
        worker: the thread that calls the network.
        folder: the folder whose images are labeled; None without one.
        first: image with which the page begins; None without one.
        model: name of the model, for the page.
        uploads: folder of the images that were sent.
    """

    store: SessionStore
    folder: LabelFolder | None
    first: Path | None
    model: str
    uploads: Path
    worker: Worker = field(default_factory=Worker)


def served(request: Request) -> Served:
    """Return what the server of a request works with."""
    found: Served = request.app.state.served
    return found


Use = Annotated[Served, Depends(served)]
