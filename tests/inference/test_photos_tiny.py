"""The shipped model for photographs, on photographs that it has not seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seemkit import SEEM, Box, Point, Session
from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.single_object import GRABCUT
from seemkit.interactive.clicker import center_click
from tests.photographs import write_photographs

GRABCUT_FOLDER = Path(__file__).parents[2].parent / "shared" / "photos" / "GrabCut"


@pytest.fixture(scope="module")
def photos_tiny() -> SEEM:
    return SEEM.from_pretrained("photos-tiny")


def iou(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_its_answers(photos_tiny: SEEM) -> None:
    a = photos_tiny.architecture
    assert a.answers == ("visual",)
    assert a.backbone_weights is None
    assert photos_tiny.vocabulary is None
    assert {"point", "box", "scribble", "circle", "polygon", "mask"} <= set(photos_tiny.sampler.encoders)


def test_large_things_of_two_photographs(photos_tiny: SEEM, tmp_path: Path) -> None:
    """The model sees 19 objects of a room, many of them hidden chairs, and 8 of a tabletop."""
    data = CocoPanoptic(write_photographs(tmp_path / "photos"), "train")
    first, later = [], []
    for image, target in (data[place] for place in range(len(data))):
        session = Session(photos_tiny, image)
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True):
            if data.vocabulary.things[label] and int(mask.sum()) > 4000:
                ious = [iou(found.mask, mask) for found, _ in session.simulate(mask, 5)]
                first.append(ious[0])
                later.append(ious[-1])
                assert session.predict(center_click(mask)).label == "object"
    assert len(first) > 4
    assert sum(first) / len(first) > 0.35
    assert sum(later) / len(later) > sum(first) / len(first) + 0.1
    assert sum(later) / len(later) > 0.6


@pytest.mark.skipif(not GRABCUT_FOLDER.is_dir(), reason="the folder shared/photos/GrabCut is absent")
def test_grabcut(photos_tiny: SEEM) -> None:
    """Every tenth image; docs/models/photos-tiny.md has the figures of all."""
    data = InteractiveImages(GRABCUT_FOLDER, GRABCUT)
    clicked, boxed = [], []
    for place in range(0, len(data), 10):
        image, target = data[place]
        truth, judged = target.masks[0], ~target.ignored
        rows, columns = (truth.any(dim=axis).nonzero()[:, 0].tolist() for axis in (1, 0))
        session = Session(photos_tiny, image)
        *_, (third, _) = session.simulate(truth, 3)
        clicked.append(iou(third.mask & judged, truth & judged))
        box = session.predict(Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), center_click(truth))
        boxed.append(iou(box.mask & judged, truth & judged))
    assert sum(clicked) / len(clicked) > 0.75
    assert sum(boxed) / len(boxed) > 0.5


def test_a_session_may_be_told_not_to_zoom(photos_tiny: SEEM, tmp_path: Path) -> None:
    image, target = CocoPanoptic(write_photographs(tmp_path / "photos"), "train")[0]
    mask = min((mask for mask in target.masks if int(mask.sum()) > 900), key=lambda mask: int(mask.sum()))
    click = center_click(mask)
    near, far = (Session(photos_tiny, image, zoom=zoom).predict(click) for zoom in (True, False))
    assert not torch.equal(near.mask, far.mask)
    assert near.mask[int(click.y), int(click.x)]
    assert Session(photos_tiny, image).add(Point(click.x, click.y)).predict().mask.equal(near.mask)
