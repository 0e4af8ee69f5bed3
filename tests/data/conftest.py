from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import write_coco


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A COCO panoptic folder: 7 images to train on, 3 for validation, 2 for the test."""
    return write_coco(tmp_path / "coco", {"train": 7, "val": 3, "test": 2})
