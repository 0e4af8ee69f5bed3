"""The server: sessions and images over HTTP, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from seemkit._version import __version__
from seemkit.app import images, sessions
from seemkit.app.guard import LOOPBACK, Guard
from seemkit.app.label_folder import LabelFolder
from seemkit.app.served import Served
from seemkit.app.store import SessionStore, UnknownSessionError
from seemkit.app.worker import AbandonedError
from seemkit.errors import InputError
from seemkit.inference.class_names import Classes
from seemkit.model.seem import SEEM


def create_app(
    network: SEEM,
    *,
    folder: LabelFolder | None = None,
    first: Path | None = None,
    classes: Classes = None,
    model: str = "",
    hosts: Sequence[str] = LOOPBACK,
    token: str | None = None,
) -> FastAPI:
    """Return the server as an ASGI application.

    Args:
        network: the network that answers.
        folder: folder whose images are labeled, or None.
        first: image with which the page begins, or None.
        classes: class names for labels; None for those of the network.
        model: name of the network, for the page.
        hosts: names under which the server may be addressed.
        token: what every request must show; None for no token.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with TemporaryDirectory(prefix="seemkit-") as uploads:
            app.state.served = Served(SessionStore(network, classes), folder, first, model, Path(uploads))
            yield
            app.state.served.worker.close()

    app = FastAPI(
        title="seemkit",
        version=__version__,
        description="Sessions of promptable segmentation. Masks are COCO run lengths; coordinates are pixels.",
        lifespan=lifespan,
        docs_url=None,  # Swagger's page loads scripts from another site
        redoc_url=None,
    )
    app.add_middleware(Guard, hosts=tuple(hosts), token=token)
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(UnknownSessionError, _unknown)
    app.add_exception_handler(AbandonedError, _abandoned)
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.include_router(sessions.router)
    app.include_router(images.router)
    app.mount("/", StaticFiles(directory=str(files("seemkit.app") / "page"), html=True), name="page")
    return app


def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


def _unknown(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 404)


def _abandoned(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"error": "nobody waits for this answer"}, 499)  # which nobody reads


def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)


def _http(_: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": str(error.detail)}, error.status_code)
