from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seemkit.data.scenes import (
    CLASSES,
    COLORS,
    HELD_OUT,
    STUFF,
    THINGS,
    Scene,
    Thing,
    contact_sheet,
    make_scene,
    write_scenes,
)
from seemkit.data.scenes.scene import MIN_STUFF_AREA, MIN_THING_AREA
from seemkit.errors import InputError

IMAGES = {"train": 40, "val": 6}


@pytest.fixture(scope="module")
def train() -> list[Scene]:
    return [make_scene(3, "train", index) for index in range(150)]


@pytest.fixture(scope="module")
def test() -> list[Scene]:
    return [make_scene(3, "test", index) for index in range(150)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", IMAGES, seed=3, workers=2)


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def meant_by(text: str, things: tuple[Thing, ...]) -> list[Thing]:
    """Every thing that a phrase could mean, read from its words alone."""
    match = re.fullmatch(r"the ([a-z ]+?)(?: (left of|right of|above|below) the ([a-z ]+))?", text)
    assert match, text
    described, relation, anchor_text = match.groups()
    found = things
    for word in described.split():
        assert word in {*COLORS, *THINGS, "large", "small", "thing"}
        if word in COLORS:
            found = tuple(t for t in found if word in (t.color, t.second))
        elif word in THINGS:
            found = tuple(t for t in found if t.shape == word)
        elif word != "thing":
            found = tuple(t for t in found if t.large == (word == "large"))
    if not relation:
        return list(found)
    (anchor,) = meant_by(f"the {anchor_text}", things)
    on_side = {
        "left of": lambda t: t.x < anchor.x,
        "right of": lambda t: t.x > anchor.x,
        "above": lambda t: t.y < anchor.y,
        "below": lambda t: t.y > anchor.y,
    }
    return [t for t in found if t is not anchor and on_side[relation](t)]


def test_vocabulary() -> None:
    assert len(STUFF) == 8
    assert len(THINGS) == 10
    assert len(set(CLASSES)) == 18
    assert len(COLORS) == 8
    assert len(set(HELD_OUT)) >= 10
    assert {pair.shape for pair in HELD_OUT} == set(THINGS)
    assert {pair.color for pair in HELD_OUT} == set(COLORS)


def test_a_scene_depends_on_seed_split_and_index_alone(train: list[Scene]) -> None:
    again = make_scene(3, "train", 17)
    np.testing.assert_array_equal(again.image, train[17].image)
    np.testing.assert_array_equal(again.ids, train[17].ids)
    assert again.expressions == train[17].expressions
    for other in (make_scene(4, "train", 17), make_scene(3, "val", 17), make_scene(3, "train", 18)):
        assert not np.array_equal(other.image, again.image)


@pytest.mark.parametrize("size", [64, 100, 192])
def test_size_is_a_parameter(size: int) -> None:
    scene = make_scene(0, "train", 1, size)
    assert scene.image.shape == (size, size, 3)
    assert scene.ids.shape == (size, size)
    assert len(scene.things) >= 2


def test_every_segment_is_visible_and_known(train: list[Scene], test: list[Scene]) -> None:
    for scene in train + test:
        assert scene.image.dtype == np.uint8
        areas = np.bincount(scene.ids.ravel(), minlength=len(scene.classes) + 1)
        stuff = len(scene.classes) - len(scene.things)
        assert areas[0] == 0
        assert len(areas) == len(scene.classes) + 1
        assert 1 <= stuff <= 3
        assert 2 <= len(scene.things) <= 5
        assert set(scene.classes[:stuff]) <= set(STUFF)
        assert areas[1 : stuff + 1].min() >= MIN_STUFF_AREA
        for number, thing in enumerate(scene.things, start=stuff + 1):
            assert (thing.id, thing.area, thing.shape) == (number, areas[number], scene.classes[number - 1])
            assert thing.area >= MIN_THING_AREA


def test_all_classes_occur(train: list[Scene]) -> None:
    counts = Counter(name for scene in train for name in scene.classes)
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 15
    assert Counter(thing.color for scene in train for thing in scene.things).keys() == COLORS.keys()


def test_held_out_pairs_never_occur_in_training(train: list[Scene]) -> None:
    for scene in train:
        assert not any("unseen" in phrase.tags for phrase in scene.expressions)
        for thing in scene.things:
            assert (thing.color, thing.shape) not in HELD_OUT
            assert (thing.second, thing.shape) not in HELD_OUT
        for phrase in scene.expressions:
            assert not any(f"{pair.color} {pair.shape}" in phrase.text for pair in HELD_OUT)


def test_phrases_mean_exactly_one_thing(train: list[Scene], test: list[Scene]) -> None:
    for scene in train + test:
        assert 1 <= len(scene.expressions) <= 6
        assert sum("relation" in phrase.tags for phrase in scene.expressions) <= 2
        assert len({phrase.text for phrase in scene.expressions}) == len(scene.expressions)
        for phrase in scene.expressions:
            assert [thing.id for thing in meant_by(phrase.text, scene.things)] == [phrase.id], phrase


def test_relations_are_needed_and_tags_are_true(test: list[Scene]) -> None:
    for scene in test:
        for phrase in scene.expressions:
            (described, *relation) = re.split(r" (?:left of|right of|above|below) ", phrase.text)
            assert phrase.tags[0] == ("relation" if relation else "attribute")
            assert (len(meant_by(described, scene.things)) > 1) == bool(relation)
            target = next(thing for thing in scene.things if thing.id == phrase.id)
            named = described.endswith(f" {target.color} {target.shape}")
            assert ("unseen" in phrase.tags) == (named and (target.color, target.shape) in HELD_OUT)


def test_shares(train: list[Scene], test: list[Scene]) -> None:
    things = [thing for scene in train for thing in scene.things]
    placements = Counter(thing.placement for thing in things)
    assert 0.12 < placements["touching"] / len(things) < 0.30
    assert 0.06 < placements["nested"] / len(things) < 0.20
    assert 0.10 < sum(thing.second is not None for thing in things) / len(things) < 0.30
    phrases = [phrase for scene in test for phrase in scene.expressions]
    attributes = [phrase for phrase in phrases if "attribute" in phrase.tags]
    assert 0.15 < 1 - len(attributes) / len(phrases) < 0.30
    assert 0.15 < sum("unseen" in phrase.tags for phrase in attributes) / len(attributes) < 0.32


def test_color_and_shape_are_often_both_needed(train: list[Scene]) -> None:
    both = needed = 0
    for scene in train:
        for phrase in scene.expressions:
            match = re.fullmatch(r"the ([a-z]+) ([a-z]+)", phrase.text)
            if match and match[1] in COLORS and match[2] in THINGS:
                both += 1
                shorter = (f"the {match[1]} thing", f"the {match[2]}")
                needed += all(len(meant_by(text, scene.things)) > 1 for text in shorter)
    assert needed / both > 0.2


def test_the_same_request_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    alone = write_scenes(tmp_path / "alone", IMAGES, seed=3, workers=1)
    assert content(alone) == content(root)
    fewer = write_scenes(tmp_path / "fewer", {"val": 2}, seed=3, workers=1)
    for name in ("val/000001.png", "annotations/panoptic_val/000001.png"):
        assert (fewer / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.parametrize("split", IMAGES)
def test_the_files_agree(root: Path, split: str) -> None:
    panoptic = read(root / "annotations" / f"panoptic_{split}.json")
    assert [image["file_name"] for image in panoptic["images"]] == [f"{i:06d}.png" for i in range(IMAGES[split])]
    assert [(c["id"], c["name"], c["isthing"]) for c in panoptic["categories"]] == [
        (number, name, int(name in THINGS)) for number, name in enumerate(CLASSES, start=1)
    ]
    categories = {}
    for image, annotation in zip(panoptic["images"], panoptic["annotations"], strict=True):
        assert annotation["image_id"] == image["id"]
        picture = np.asarray(Image.open(root / split / image["file_name"]))
        coded = np.asarray(Image.open(root / "annotations" / f"panoptic_{split}" / annotation["file_name"]))
        assert picture.shape == coded.shape == (image["height"], image["width"], 3)
        ids = coded[..., 0] + 256 * coded[..., 1].astype(int) + 65536 * coded[..., 2].astype(int)
        assert {segment["id"] for segment in annotation["segments_info"]} == set(np.unique(ids))
        for segment in annotation["segments_info"]:
            rows, columns = np.nonzero(ids == segment["id"])
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert (segment["area"], segment["bbox"], segment["iscrowd"]) == (len(rows), box, 0)
            assert (image["id"], segment["id"]) not in categories
            categories[image["id"], segment["id"]] = segment["category_id"]
    refs = read(root / "annotations" / f"refs_{split}.json")["refs"]
    assert [ref["ref_id"] for ref in refs] == list(range(len(refs)))
    for ref in refs:
        assert categories[ref["image_id"], ref["ann_id"]] == ref["category_id"]
        assert ref["split"] == split
        assert [set(sentence) for sentence in ref["sentences"]] == [{"sent_id", "sent"}]


def test_files_hold_the_scene(root: Path) -> None:
    scene = make_scene(3, "val", 2)
    picture = np.asarray(Image.open(root / "val" / "000002.png"))
    np.testing.assert_array_equal(picture, scene.image)
    refs = [ref for ref in read(root / "annotations" / "refs_val.json")["refs"] if ref["image_id"] == 2]
    assert [ref["sentences"][0]["sent"] for ref in refs] == [phrase.text for phrase in scene.expressions]
    assert [ref["tags"] for ref in refs] == [list(phrase.tags) for phrase in scene.expressions]


def test_existing_scenes_are_kept(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert write_scenes(root, IMAGES, seed=3) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"size": 64}, {"images": {"train": 40}}])
def test_other_scenes_are_refused(root: Path, change: dict) -> None:
    with pytest.raises(InputError, match=re.escape(str(root / "scenes.json"))):
        write_scenes(**{"root": root, "images": IMAGES, "seed": 3, **change})


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        write_scenes(tmp_path, {"val": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, workers: int) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt(f"{done} of {total}")

    with pytest.raises(KeyboardInterrupt, match="32 of 70"):
        write_scenes(tmp_path / "scenes", {"train": 70}, size=64, workers=workers, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_images(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_scenes(tmp_path / "scenes", {"train": 33, "val": 1}, size=64, workers=1, progress=lambda *n: seen.append(n))
    assert seen == [(32, 34), (33, 34), (34, 34)]


@pytest.mark.parametrize(
    ("argument", "field"),
    [
        ({"images": {}}, "images"),
        ({"images": {"val": 0}}, "val"),
        ({"images": {"../val": 1}}, "val"),
        ({"images": {"annotations": 1}}, "annotations"),
        ({"seed": -1}, "seed"),
        ({"size": 20}, "size"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, argument: dict, field: str) -> None:
    with pytest.raises(InputError, match=field):
        write_scenes(**{"root": tmp_path / "scenes", "images": {"val": 1}, **argument})
    assert list(tmp_path.iterdir()) == []


def test_contact_sheet(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet(root, "val", path, columns=3, rows=2)
    assert Image.open(path).width > 3 * 128
    with pytest.raises(InputError, match="too few"):
        contact_sheet(root, "val", path, columns=3, rows=3)
    with pytest.raises(InputError, match="not found"):
        contact_sheet(root, "test", path)
