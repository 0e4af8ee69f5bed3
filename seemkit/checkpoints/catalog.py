"""The models that have a name: those that ship with seemkit, and the published ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seemkit.errors import InputError

REPOSITORY: Final = "xdecoder/SEEM"
"""Hugging Face repository of the published models."""


@dataclass(frozen=True)
class NamedModel:
    """A model that has a name.

    Attributes:
        name: its name.
        summary: what it is for.
        license: license of the weights.
    """

    name: str
    summary: str
    license: str


@dataclass(frozen=True)
class ShippedModel(NamedModel):
    """A model that is installed with seemkit; see `NamedModel`."""

    @property
    def folder(self) -> Path:
        """Folder of the model."""
        return Path(__file__).parent / "models" / self.name

    @property
    def size(self) -> int:
        """Size of its files in bytes."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


@dataclass(frozen=True)
class PublishedModel(NamedModel):
    """A model that the authors of SEEM publish; see also `NamedModel`.

    Attributes:
        file: name of its file in `REPOSITORY`.
        variant: name of its architecture, a key of `seemkit.checkpoints.variants.VARIANTS`.
        size: size of the file in bytes.
        sha256: SHA-256 of the file.
    """

    file: str
    variant: str
    size: int
    sha256: str


_LICENSE: Final = "AFL-3.0"
_V0: Final = "photographs, COCO classes; one object at a time"
_V1: Final = "photographs, COCO classes; several objects at a time"
SHIPPED: Final[dict[str, ShippedModel]] = {
    model.name: model
    for model in (
        ShippedModel("photos-tiny", "photographs, by clicks, boxes, scribbles and masks; no classes", "Apache-2.0"),
        ShippedModel("scenes-tiny", "drawn scenes, all prompts, 18 classes", "Apache-2.0"),
    )
}
"""The shipped models by name."""
PUBLISHED: Final[dict[str, PublishedModel]] = {
    model.name: model
    for model in (
        PublishedModel(
            "seem-focal-t-v0", _V0, _LICENSE, "seem_focalt_v0.pt", "focal-t-v0", 658_792_514,
            "871a24064bc27136432f04f510fb0463ce8d2b3e0d4bd3a358b80d908f5c447f",
        ),
        PublishedModel(
            "seem-focal-t-v1", _V1, _LICENSE, "seem_focalt_v1.pt", "focal-t-v1", 658_792_514,
            "675e86a033a3cc4bc6fa906e4c7e1878dd11728ef8858a457a4a45cf3f2987b2",
        ),
        PublishedModel(
            "seem-focal-l-v0", _V0, _LICENSE, "seem_focall_v0.pt", "focal-l-v0", 1_365_136_278,
            "b907a76b74fe047507d18c1a3fda7e89c75133f97af4457767db78440ebb1761",
        ),
        PublishedModel(
            "seem-focal-l-v1", _V1, _LICENSE, "seem_focall_v1.pt", "focal-l-v1", 1_365_136_278,
            "06cad58bde442ce4f2b3ce00e3a218791dfb060a2d7f2d709ff509669c28a705",
        ),
        PublishedModel(
            "seem-samvit-b-v1", _V1, _LICENSE, "seem_samvitb_v1.pt", "samvit-b-v1", 862_528_935,
            "fd6f9eb3d73917d0465dc35c4bc9f2f1019dccc0e741d31ced42f5333cbb35da",
        ),
        PublishedModel(
            "seem-samvit-l-v1", _V1, _LICENSE, "seem_samvitl_v1.pt", "samvit-l-v1", 1_762_490_751,
            "5ef8c573b54ea820a2fe6d5b81962def9f5bf693e120b8a4778b2848d604f75c",
        ),
    )
}  # fmt: skip
"""The published models by name.

Sources: sizes and sums from the Git LFS pointers in the repository's history, the license from its model card.
"""


def published_variant(path: Path) -> str | None:
    """Return the architecture of a published model by the SHA-256 of its file, which is read only if the size fits.

    Returns:
        The name of the variant; None if the file is no published one.

    Raises:
        InputError: the file has the name of a published one, but another sum.
    """
    size = path.stat().st_size
    if any(model.size == size for model in PUBLISHED.values()):
        digest = sha256(path)
        for model in PUBLISHED.values():
            if model.sha256 == digest:
                return model.variant
    if any(model.file == path.name for model in PUBLISHED.values()):
        raise InputError(
            f"{path}: not the file that is published under this name; before October 2023 these names were used for "
            "other weights. Download it again, or give the variant, for example --variant focal-t-v1"
        )
    return None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
