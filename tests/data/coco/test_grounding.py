from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seemkit.data.coco.grounding import Grounding
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.errors import InputError
from seemkit.types import Phrase, Target
from tests.objects import HEIGHT, WIDTH, annotation, edit, rectangle, runs, sentences


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Objects of the images that `write_coco` makes: the star, half of it, less than half, grass, and the crowd."""
    star, grass = (3, 4, 12, 14), np.ones((HEIGHT, WIDTH), dtype=bool)
    grass[4:14, 3:12] = False
    annotations = [
        annotation(1, 100, [rectangle(*star)], sentences=sentences("LEFT star", "a star, left")),
        annotation(1, 100, [rectangle(3, 4, 12, 9)], sentences=sentences("half")),
        annotation(3, 100, [rectangle(3, 4, 12, 8)], sentences=sentences("less")),
        annotation(4, 100, runs(grass), sentences=sentences("Grass")),
        annotation(5, 100, [rectangle(28, 34, 47, 40)], sentences=sentences("the crowd")),
        annotation(6, 101, [rectangle(*star)], sentences=sentences("next image")),
        annotation(7, 999, [rectangle(*star)], sentences=sentences("of another split")),
    ]
    path = tmp_path / "grounding.json"
    images = [{"id": image_id, "file_name": f"{image_id}.jpg"} for image_id in (100, 101, 102, 999)]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def test_phrases_of_segments(folder: Path, path: Path) -> None:
    dataset = CocoPanoptic(folder, "train", phrases=False, grounding=path)
    told = [("LEFT star", 0), ("a star, left", 0), ("half", 0), ("Grass", 1)]
    assert dataset[0][1].phrases == tuple(Phrase(text, segment) for text, segment in told)
    assert dataset[0][1].phrases == dataset[0][1].phrases
    assert [phrase.text for phrase in dataset[1][1].phrases] == ["next image"]
    assert dataset[2][1].phrases == ()


def test_they_come_behind_the_folders_own(folder: Path, path: Path) -> None:
    phrases = CocoPanoptic(folder, "train", grounding=path)[1][1].phrases
    assert [phrase.text for phrase in phrases] == ["the Left star", "leftmost star", "next image"]


def test_masks_are_untouched(folder: Path, path: Path) -> None:
    assert torch.equal(
        CocoPanoptic(folder, "train")[0][1].masks, CocoPanoptic(folder, "train", grounding=path)[0][1].masks
    )


def test_the_best_of_overlapping_segments(path: Path) -> None:
    masks = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.bool)
    masks[0, 4:14, 3:10] = True
    masks[1, 4:14, 3:11] = True
    target = Target(masks, torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.bool))
    assert [phrase.segment for phrase in Grounding(path, {101}).phrases(101, target)] == [1]


def test_image_without_segments(path: Path) -> None:
    nothing = torch.zeros(0, HEIGHT, WIDTH, dtype=torch.bool)
    assert Grounding(path, {101}).phrases(101, Target(nothing, nothing.sum((1, 2)), nothing.any(2).any(1))) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "has no 'images'"),
        (lambda c: c.pop("annotations"), "has no 'annotations'"),
        (lambda c: c["images"].pop(0), r"annotations\[0\]: image_id 100 is not in 'images'"),
        (lambda c: c["annotations"][1].pop("id"), r"annotations\[1\]: has no 'id'"),
        (lambda c: c["annotations"][1].pop("sentences"), r"annotations\[1\]: has no 'sentences'"),
        (lambda c: c["annotations"][0]["sentences"][1].pop("raw"), r"annotations\[0\]\.sentences\[1\]: has no 'raw'"),
        (lambda c: c["annotations"][1].pop("segmentation"), r"annotations\[1\]: has no 'segmentation'"),
        (lambda c: c["annotations"].clear(), "no annotation belongs to an image of the split"),
    ],
)
def test_faults_are_found_at_once(folder: Path, path: Path, change: Callable[[Any], object], message: str) -> None:
    edit(path, change)
    with pytest.raises(InputError, match=rf"grounding\.json: {message}"):
        CocoPanoptic(folder, "train", grounding=path)


def test_runs_of_another_size(folder: Path, path: Path) -> None:
    edit(path, lambda c: c["annotations"][3]["segmentation"].update(size=[WIDTH, HEIGHT]))
    dataset = CocoPanoptic(folder, "train", grounding=path)
    with pytest.raises(InputError, match=r"grounding\.json: annotation id 4 of train_000\.png: run lengths are for"):
        dataset[0]
