"""``seemkit app``: a page in the browser, to segment images by clicks and words, and to label a folder."""

from __future__ import annotations

import argparse
import secrets
import socket
import sys
from pathlib import Path

from seemkit.cli import shared_arguments
from seemkit.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to the command line."""
    app = verbs.add_parser(
        "app",
        help="open a page in the browser, to segment by clicks and words, and to label a folder",
        description='Serves a page on this machine until Ctrl-C. Needs pip install "seemkit[app]".',
    )
    app.add_argument("image", type=Path, nargs="?", help="image to begin with, or folder of images to label")
    shared_arguments.add_model(app, default="photos-tiny")
    app.add_argument("--classes", help="class names for labels, separated by commas")
    app.add_argument(
        "--out", type=Path, metavar="FILE.json", help="file of all labels (default: FOLDER/annotations/, in two splits)"
    )
    app.add_argument("--host", default="127.0.0.1", help="address to serve at; others than this machine need a token")
    app.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (default: %(default)s)")
    app.add_argument("--no-browser", action="store_true", help="do not open the browser")
    app.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    """Serve until Ctrl-C.

    Raises:
        InputError: the extra is not installed, the image or the folder is not readable, or the port is taken.
    """
    try:
        import uvicorn

        from seemkit.app.label_folder import LabelFolder
        from seemkit.app.server import create_app
    except ImportError as error:
        raise InputError(f'seemkit app needs further packages ({error.name}): pip install "seemkit[app]"') from error
    from seemkit.cli.model import CLICKS, loader

    if options.image is not None and not options.image.exists():
        raise InputError(f"{options.image}: no such file or folder")
    classes = None if options.classes is None else options.classes.split(",")
    is_folder = options.image is not None and options.image.is_dir()
    if options.out is not None and not is_folder:
        raise InputError("--out: needs a folder of images to label: seemkit app FOLDER --out FILE.json")
    folder = LabelFolder(options.image, classes or (), options.out) if is_folder else None
    options.model = options.model or CLICKS
    network = loader(options)({})
    token = None if options.host in LOOPBACK else secrets.token_urlsafe(24)
    listening = _listen(options.host, options.port)
    name = _name(options.host)
    address = f"http://{name}:{listening.getsockname()[1]}/{f'?token={token}' if token else ''}"
    app = create_app(
        network,
        folder=folder,
        first=None if is_folder else options.image,
        classes=classes,
        model=options.model,
        hosts=("127.0.0.1", "localhost", "[::1]", name),
        token=token,
    )
    print(f"seemkit: {address}  (Ctrl-C ends it)", flush=True)  # noqa: T201
    if not options.no_browser:
        import webbrowser

        webbrowser.open(address)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.run(sockets=[listening])
    print("seemkit: ended", file=sys.stderr)  # noqa: T201


def _name(host: str) -> str:
    """Return the name of this machine in an address."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"[{name}]" if ":" in name else name


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only if the protocol is named; otherwise each waits 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # a browser that comes before the server is ready waits
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"--host {host} --port {port}: {error}; --port 0 takes a free one") from error
    return listening
