from __future__ import annotations

from pathlib import Path

import pytest
from lightning import Trainer

from seemkit.callbacks import ReferredRegionEvaluation
from seemkit.callbacks.evaluation.referred_regions import unique_things
from seemkit.data import CocoDataModule, InteractiveDataModule
from seemkit.data.scenes import write_scenes
from seemkit.errors import InputError
from seemkit.inference.session import Session
from seemkit.prompts.values import Mask
from seemkit.training.module import SeemModule
from seemkit.types import Segment, Vocabulary
from tests.data.interactive.folders import write_grabcut


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of which some show things of one color and shape."""
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"test": 16})


def evaluate(module: SeemModule, data, folder: Path) -> dict[str, float]:
    evaluation = ReferredRegionEvaluation()
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, callbacks=[evaluation], enable_progress_bar=False
    )
    trainer.test(module, datamodule=data, verbose=False)
    return {name: float(value) for name, value in evaluation.results.items()}


def test_things_that_have_a_like_are_asked_for(module: SeemModule, alike: Path, tmp_path: Path) -> None:
    """The result is that of sessions, whatever the batches are."""
    found = evaluate(module, CocoDataModule(str(alike), batch_size=1), tmp_path)
    again = evaluate(module, CocoDataModule(str(alike), batch_size=4), tmp_path)
    assert found == pytest.approx(again, abs=1e-3)
    data = CocoDataModule(str(alike)).test_dataloader().dataset
    region_of = module.network.sampler.registry["referred-region"].encoder.accepts
    ious = []
    for place, annotation in enumerate(data.annotations):
        for row in unique_things(annotation.segments, data.vocabulary):
            likes = [
                (other, index)
                for other in (*range(place + 1, len(data)), *range(place))
                for index, segment in enumerate(data.annotations[other].segments)
                if segment.appearance == annotation.segments[row].appearance
            ]
            if likes:
                (other, index), (image, target) = likes[0], data[place]
                region = region_of(data[other][0], (Mask(data[other][1].masks[index]),))
                mask, truth = Session(module.network, image).predict(region).mask, target.masks[row]
                ious.append(float((mask & truth).sum() / (mask | truth).sum()))
    assert len(ious) > 1
    assert found["region_miou"] == pytest.approx(sum(ious) / len(ious), abs=0.02)
    assert {"region_ciou", "region_p50"} <= found.keys()


def test_ambiguous_things_are_not_asked_for() -> None:
    segments = (
        Segment(1, 1, attributes=("red",)), Segment(2, 1, attributes=("red",)), Segment(3, 1, attributes=("blue",)),
        Segment(4, 0), Segment(5, 2, crowd=True),
    )  # fmt: skip
    assert unique_things(segments, Vocabulary(("sky", "star", "ring"), (False, True, True))) == [2]


def test_data_in_another_layout(module: SeemModule, tmp_path: Path) -> None:
    folder = write_grabcut(tmp_path / "grabcut", "a.png")
    with pytest.raises(InputError, match="ReferredRegionEvaluation: needs data in a COCO layout"):
        evaluate(module, InteractiveDataModule("grabcut", str(folder)), tmp_path)
