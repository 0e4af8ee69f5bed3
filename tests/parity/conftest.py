from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.write_official_subset import SUBSET


@pytest.fixture
def all_arrays(golden_folder: Path) -> Path:
    """The folder of all official arrays."""
    if golden_folder == SUBSET:
        pytest.skip("needs all official arrays; test_official_subset compares those in this repository")
    return golden_folder
