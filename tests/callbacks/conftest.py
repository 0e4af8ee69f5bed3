from __future__ import annotations

import pytest
import torch

from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.loading.loader import collate
from seemkit.data.scenes import write_scenes
from seemkit.nn.context import ImageContext
from seemkit.training.module import SeemModule
from seemkit.types import Batch


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> CocoPanoptic:
    return CocoPanoptic(write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"test": 4}), "test")


@pytest.fixture(scope="session")
def module(scenes: CocoPanoptic) -> SeemModule:
    """The shipped model, which finds most of what is in the scenes. Never change it."""
    module = SeemModule(weights="scenes-tiny").eval()
    module.network.vocabulary = scenes.vocabulary
    return module


@pytest.fixture
def batch(scenes: CocoPanoptic) -> Batch:
    """Two scenes, read anew."""
    return collate([scenes[0], scenes[1]])


@pytest.fixture
def context(module: SeemModule, batch: Batch) -> ImageContext:
    """The same, encoded."""
    with torch.no_grad():
        return module.network.encode_image(batch.images, [target.size for target in batch.targets])
