from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning import Trainer

from seemkit import Mask, Tracker
from seemkit.callbacks import VideoEvaluation
from seemkit.data.datamodules.davis import DavisDataModule
from seemkit.data.davis.dataset import DavisFrames
from seemkit.errors import InputError
from seemkit.metrics.video import VideoQuality, contour_accuracy, region_similarity
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.prompts.registry import installed
from seemkit.training.module import SeemModule
from seemkit.types import Batch
from tests.data.davis.folders import rectangles, write_davis_2017
from tests.networks import TINY

SEQUENCES = {
    "goat": [rectangles(1, 2), rectangles(0, 1, 2), rectangles(0, 1, 2), rectangles(2, 1), rectangles(1, 2)],
    "hidden": [rectangles(2, 3), rectangles(0, 3), rectangles(0, 3), rectangles(1, 3)],
}
"""In "hidden", object 1 is not in the first frame."""


@pytest.fixture(scope="module")
def module():
    return SeemModule(replace(TINY, click_field=16, values_carry_position=True, region_head=True)).eval()


@pytest.fixture
def root(tmp_path):
    return write_davis_2017(tmp_path / "davis", SEQUENCES)


@torch.no_grad()
def expected(network, root, *, click):
    """The scores of "goat" and "hidden", objects given by their masks, frame by frame."""
    frames, quality, start = DavisFrames(root), VideoQuality(), 0
    for length in (5, 4):
        samples, start = [frames[start + index] for index in range(length)], start + length
        tracker, given = Tracker(network, click=click), samples[0][1].masks.flatten(1).any(dim=1)
        tracker.add(network.encode_image([samples[0][0]]), [[Mask(m)] for m in samples[0][1].masks[given]])
        j, f = [], []
        for image, target in samples[1:-1]:
            found = torch.zeros_like(target.masks)
            found[given] = object_masks(object_ids(tracker.step(network.encode_image([image]))), int(given.sum()))
            j.append(region_similarity(found, target.masks))
            f.append(contour_accuracy(found, target.masks))
        quality.update(torch.stack(j), torch.stack(f))
    return quality.compute()


@pytest.mark.parametrize("click", [True, False])
def test_sequences_are_followed_and_scored(module, root, tmp_path, click):
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, callbacks=[VideoEvaluation(click=click)],
    )  # fmt: skip
    (found,) = trainer.test(module, datamodule=DavisDataModule(str(root)), verbose=False)
    wanted = expected(module.network, root, click=click)
    assert {name.removeprefix("test/") for name in found} == set(wanted)
    for name, value in wanted.items():
        assert found[f"test/{name}"] == pytest.approx(float(value), abs=1e-4), name


@torch.no_grad()
def run(module, evaluation, samples):
    evaluation.start(module)
    for image, target in samples:
        evaluation.update(module, module.network.encode_image([image], [target.size]), Batch([image], [target]))
    return evaluation.compute()


@pytest.mark.parametrize("prompt", ["mask", "point", "box"])
def test_every_way_to_give_an_object(module, root, prompt):
    samples = [DavisFrames(root)[index] for index in range(5)]
    found = run(module, VideoEvaluation(prompt), samples)
    assert all(0 <= float(found[name]) <= 1 for name in ("jf_mean", "j_recall"))


def test_a_second_run_starts_from_nothing(module, root):
    evaluation, samples = VideoEvaluation(), [DavisFrames(root)[index] for index in range(5)]
    first = run(module, evaluation, samples)
    second = run(module, evaluation, samples)
    assert first == second


def test_nothing_that_counts_is_no_score(module, root):
    two_frames = [DavisFrames(root)[index] for index in (0, 1)]
    no_object = [(image, replace(target, masks=target.masks[:0])) for image, target in two_frames]
    assert run(module, VideoEvaluation(), two_frames)["jf_mean"].isnan()
    assert run(module, VideoEvaluation(), [*no_object, *no_object])["jf_mean"].isnan()


def test_batches_of_several_frames(module, root):
    image, target = DavisFrames(root)[0]
    evaluation = VideoEvaluation()
    evaluation.start(module)
    context = module.network.encode_image([image, image])
    with pytest.raises(InputError, match="a batch of 2 frames; set the data's batch size to 1"):
        evaluation.update(module, context, Batch([image, image], [target, target]))


def test_a_prompt_that_is_not_installed():
    with pytest.raises(InputError, match="prompt kind 'nose' is not installed"):
        VideoEvaluation("nose")
    assert {"mask", "point", "box"} <= set(installed().kinds)
