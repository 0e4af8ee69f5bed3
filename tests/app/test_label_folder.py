"""Labels of a folder as a data set."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import ExifTags, Image

from seemkit.app.label_folder import Labeled, LabelFolder
from seemkit.data.coco.instances import CocoInstances
from seemkit.errors import InputError
from tests.objects import annotation, edit, instances, rectangle
from tests.objects import write_image as write_small_image


def block(height: int = 96, width: int = 96, top: int = 10) -> torch.Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top : top + 20, 5:50] = True
    return mask


def test_a_folder_of_images_becomes_a_data_set(photos):
    folder = LabelFolder(photos, ["cup"])
    for number in range(3):
        folder.write(f"{number}.png", [Labeled("cup", block()), Labeled(f"kind {number}", block(top=50))])
    assert folder.is_labeled("2.png")
    train, val = (CocoInstances(photos, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (2, 1)
    assert train.vocabulary == val.vocabulary
    assert set(train.vocabulary.names) == {"cup", "kind 0", "kind 1", "kind 2"}
    assert torch.equal(train[0][1].masks, torch.stack([block(), block(top=50)]))


def test_it_goes_on_where_it_was(photos):
    LabelFolder(photos).write("0.png", [Labeled("cup", block())])
    again = LabelFolder(photos)
    (found,) = again.read("0.png")
    assert (found.label, found.id) == ("cup", 1)
    assert torch.equal(found.mask, block())
    assert again.read("1.png") == []
    again.write("0.png", [])
    assert again.is_labeled("0.png")
    assert LabelFolder(photos).read("0.png") == []


def test_all_labels_in_a_file_of_ones_own(photos, tmp_path):
    out = tmp_path / "labels" / "all.json"
    folder = LabelFolder(photos, ["cup"], out)
    for number in range(3):
        folder.write(f"{number}.png", [Labeled("cup", block())])
    assert not (photos / "annotations").exists()
    assert [one["file_name"] for one in json.loads(out.read_text())["images"]] == ["0.png", "1.png", "2.png"]
    (found,) = LabelFolder(photos, out=out).read("1.png")
    assert torch.equal(found.mask, block())


@pytest.fixture
def coco(tmp_path):
    """A folder that another program annotated."""
    for name in ("a.png", "b.png", "c.png"):
        write_small_image(tmp_path / "train" / name)
    content = instances(["a.png", "b.png"], [annotation(7, 100, [rectangle(3, 3, 20, 20)], note="kept")])
    content["info"] = {"year": 2026}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train.json").write_text(json.dumps(content))
    return tmp_path


def test_annotations_of_another_program_are_edited(coco):
    folder = LabelFolder(coco)
    assert folder.names == ["train/a.png", "train/b.png", "train/c.png"]
    (found,) = folder.read("train/a.png")
    assert int(found.mask.sum()) == 17 * 17
    size = tuple(found.mask.shape)
    folder.write("train/a.png", [found, Labeled("new", block(*size))])
    folder.write("train/c.png", [Labeled("new", block(*size))])
    content = json.loads((coco / "annotations/instances_train.json").read_text())
    assert content["info"] == {"year": 2026}
    assert [one["id"] for one in content["annotations"]] == [7, 8, 9]
    assert content["annotations"][0]["note"] == "kept"
    assert content["annotations"][0]["segmentation"] == [rectangle(3, 3, 20, 20)]  # its mask was not changed
    assert len(CocoInstances(coco, "train")) == 3


def test_a_changed_mask_keeps_what_else_is_known(coco):
    edit(coco / "annotations/instances_train.json", lambda content: content["annotations"][0].update(iscrowd=1))
    folder = LabelFolder(coco)
    (found,) = folder.read("train/a.png")
    changed = block(*found.mask.shape)
    assert folder.write("train/a.png", [Labeled("other", changed, found.id)]) == [7]
    (again,) = LabelFolder(coco).read("train/a.png")
    assert (again.label, again.id) == ("other", 7)
    assert torch.equal(again.mask, changed)
    (stored,) = json.loads((coco / "annotations/instances_train.json").read_text())["annotations"]
    assert (stored["iscrowd"], stored["note"], stored["area"]) == (1, "kept", int(changed.sum()))


def test_a_removal_that_is_undone_loses_nothing(coco):
    folder = LabelFolder(coco)
    found = folder.read("train/a.png")
    folder.write("train/a.png", [])
    assert folder.write("train/a.png", [Labeled("new", block(*found[0].mask.shape))]) == [8]  # 7 is not given again
    folder.write("train/a.png", found)
    (stored,) = json.loads((coco / "annotations/instances_train.json").read_text())["annotations"]
    assert (stored["id"], stored["note"], stored["segmentation"]) == (7, "kept", [rectangle(3, 3, 20, 20)])


def test_classes_of_splits_that_number_them_apart(coco):
    write_small_image(coco / "val" / "v.png")
    content = instances(["v.png"], [])
    content["categories"] = [{"id": 1, "name": "plate"}, {"id": 5, "name": "fork"}]
    (coco / "annotations/instances_val.json").write_text(json.dumps(content))
    folder = LabelFolder(coco)
    mask = block(*folder.size("val/v.png"))
    folder.write("val/v.png", [Labeled("plate", mask), Labeled("spoon", mask)])
    again = LabelFolder(coco)
    assert [one.label for one in again.read("val/v.png")] == ["plate", "spoon"]
    train, val = (json.loads((coco / f"annotations/instances_{name}.json").read_text()) for name in ("train", "val"))
    spoons = [one["id"] for some in (train, val) for one in some["categories"] if one["name"] == "spoon"]
    assert len(spoons) == 2
    assert spoons[0] == spoons[1]


def test_an_object_without_pixels_is_not_written(photos):
    folder = LabelFolder(photos)
    assert folder.write("0.png", [Labeled("a", torch.zeros(96, 96, dtype=torch.bool)), Labeled("b", block())]) == [
        None,
        1,
    ]
    assert [one.label for one in folder.read("0.png")] == ["b"]


def test_a_split_whose_images_are_missing(coco):
    (coco / "val").mkdir()
    (coco / "annotations/instances_val.json").write_text(json.dumps(instances(["v.png"], [])))
    assert LabelFolder(coco).names == ["train/a.png", "train/b.png", "train/c.png"]


def test_identifiers_stay(photos):
    folder = LabelFolder(photos)
    first, second = folder.write("0.png", [Labeled("a", block()), Labeled("b", block(top=50))])
    assert folder.write("0.png", [Labeled("b", block(top=50), second), Labeled("c", block())]) == [second, second + 1]
    assert folder.write("1.png", [Labeled("a", block())]) == [1]
    assert first == 1


def test_a_photograph_that_is_stored_turned(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (96, 64)).save(tmp_path / "turned.jpg", exif=exif)
    folder = LabelFolder(tmp_path)
    shown = block(96, 64)
    folder.write("turned.jpg", [Labeled("cup", shown)])
    assert torch.equal(folder.read("turned.jpg")[0].mask, shown)
    (stored,) = CocoInstances(tmp_path, "train")[0][1].masks
    assert torch.equal(torch.rot90(stored, -1), shown)


def test_what_lies_outside_is_not_shown(photos, tmp_path):
    outside = tmp_path / "secret.png"
    Image.new("RGB", (64, 64)).save(outside)
    (photos / "link.png").symlink_to(outside)
    folder = LabelFolder(photos)
    assert "link.png" not in folder.names
    for name in ("../secret.png", "link.png", str(outside)):
        with pytest.raises(InputError, match="no such image"):
            folder.path(name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"images": 3}', "'images' is not a list"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\[0\]: 'file_name' is missing"),
        ('{"images": [], "annotations": [3], "categories": []}', r"annotations\[0\]: 'id' is missing"),
    ],
)
def test_faulty_annotations_are_named(coco, content, said):
    (coco / "annotations/instances_train.json").write_text(content)
    with pytest.raises(InputError, match=f"instances_train.json: {said}"):
        LabelFolder(coco)


def test_a_folder_that_cannot_be_written(photos, monkeypatch):
    folder = LabelFolder(photos)
    (photos / "annotations").write_text("a file is in the way")
    with pytest.raises(InputError, match="cannot be written"):
        folder.write("0.png", [Labeled("cup", block())])


def test_an_interrupted_write_leaves_the_earlier_labels(photos, monkeypatch):
    folder = LabelFolder(photos)
    folder.write("0.png", [Labeled("cup", block())])
    before = (photos / "annotations/instances_train.json").read_text()
    monkeypatch.setattr("json.dumps", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        folder.write("0.png", [])
    monkeypatch.undo()
    assert (photos / "annotations/instances_train.json").read_text() == before
    assert not list((photos / "annotations").glob(".*"))
