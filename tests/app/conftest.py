from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from seemkit.data.scenes.scene import make_scene
from seemkit.model.seem import SEEM
from tests.networks import TINY, build

pytest.importorskip("fastapi", reason="the extra app is not installed")


@pytest.fixture(scope="session")
def prompted_network() -> SEEM:
    """A small network with every kind of prompt. Never change it."""
    return build(
        replace(TINY, prompts={"point": {}, "box": {}, "scribble": {}, "circle": {}, "polygon": {}, "mask": {}})
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(make_scene(number, "test", 0, 96).image).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def client(prompted_network: SEEM, photos: Path) -> Iterator[object]:
    """A client of a server for the folder."""
    from fastapi.testclient import TestClient

    from seemkit.app.label_folder import LabelFolder
    from seemkit.app.server import create_app

    app = create_app(prompted_network, folder=LabelFolder(photos), model="tiny")
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client
