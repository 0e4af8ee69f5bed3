from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from tests.networks import TINY, build, picture


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tensors of tests are too small to share among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def denormal_numbers() -> Iterator[None]:
    """The commands for training switch them off, which tests of other things do not expect."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def tiny_network() -> SEEM:
    """A network of the reference's kind, only very small. Never change it."""
    return build(TINY)


@pytest.fixture(scope="session")
def field_network() -> SEEM:
    """The same with all switches on that the reference does not have. Never change it."""
    return build(replace(TINY, click_field=16, mask_refiner=8, values_carry_position=True, region_head=True), seed=1)


@pytest.fixture(params=["tiny_network", "field_network"])
def network(request: pytest.FixtureRequest) -> SEEM:
    """Both of them in turn, for what must hold of any network."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def context(network: SEEM) -> ImageContext:
    """An encoded image of 60 x 90 pixels."""
    with torch.no_grad():
        return network.encode_image([picture(60, 90)])


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The folder of all arrays that the official code computed; of the few in this repository if it is missing."""
    folder = Path(__file__).parents[1].parent / "shared" / "golden"
    return folder if folder.is_dir() else Path(__file__).parent / "parity" / "official"


@pytest.fixture(scope="session")
def golden_file(golden_folder: Path) -> Callable[[str], Path]:
    """Return the path of a file in that folder; skip the test if the file is missing."""

    def find(name: str) -> Path:
        if not (golden_folder / name).is_file():
            pytest.skip(f"{name}: not among the official arrays in {golden_folder}")
        return golden_folder / name

    return find
