"""The Semantic Boundaries Dataset for clicks."""

from __future__ import annotations

import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from scipy.io import savemat

from seemkit.data.interactive.images import InteractiveImages
from seemkit.data.interactive.sbd import SBD
from seemkit.errors import InputError
from tests.data.interactive.folders import DOG, PERSON, write_gtinst, write_sbd
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, block


@pytest.fixture
def sbd(tmp_path: Path) -> Path:
    return write_sbd(tmp_path / "sbd", "2008_2", "2008_1")


def test_all_objects_that_have_a_pixel(sbd: Path) -> None:
    images = InteractiveImages(sbd, SBD)
    assert [images[index][1].name for index in range(len(images))] == ["2008_2.jpg", "2008_1.jpg"]
    image, target = images[0]
    assert image.shape == (3, HEIGHT, WIDTH)
    expected = np.stack([block(2, 2, 20, 30), block(22, 4, 50, 36)])
    assert torch.equal(target.masks, torch.from_numpy(expected))
    assert target.labels.tolist() == [DOG - 1, PERSON - 1]
    assert [SBD.vocabulary.names[label] for label in target.labels] == ["dog", "person"]
    assert target.ignored is None


def test_a_single_object_and_none(sbd: Path) -> None:
    write_gtinst(sbd / "inst" / "2008_2.mat", block(0, 0, 5, 5), [20])
    write_gtinst(sbd / "inst" / "2008_1.mat", block(0, 0, 0, 0), [20])
    images = InteractiveImages(sbd, SBD)
    assert images[0][1].labels.tolist() == [19]
    assert images[1][1].masks.shape == (0, HEIGHT, WIDTH)
    assert len(InteractiveImages(sbd, SBD, objects_per_image=5)) == 1


def test_missing_files(sbd: Path) -> None:
    def said() -> str:
        with pytest.raises(InputError) as error:
            InteractiveImages(sbd, SBD)
        return str(error.value)

    (sbd / "inst" / "2008_1.mat").unlink()
    assert said() == f"{sbd / 'inst' / '2008_1.mat'}: no such file, but {sbd / 'val.txt'} lists it; add it"
    (sbd / "val.txt").write_text("")
    assert "val.txt: lists no image" in said()
    (sbd / "inst").rename(sbd / "cls")
    assert "sbd: holds no folder inst" in said()


def test_faulty_files(sbd: Path) -> None:
    path = sbd / "inst" / "2008_2.mat"
    images, whole = InteractiveImages(sbd, SBD), path.read_bytes()
    assert len(images[0][1].masks) == 2

    def said() -> str:
        with pytest.raises(InputError) as error:
            images[0]
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)
        return str(error.value)

    for end in (0, 60, 130, 200, len(whole) - 40):
        path.write_bytes(whole[:end])
        assert "replace the file" in said()
    path.write_bytes(whole[:150] + bytes(reversed(whole[150:])))
    assert "cannot be read as a .mat file" in said()
    savemat(path, {"GTcls": {"Segmentation": np.zeros((HEIGHT, WIDTH), dtype=np.uint8)}})
    assert "has no struct GTinst" in said()
    savemat(path, {"GTinst": np.zeros((HEIGHT, WIDTH))})
    assert "has no struct GTinst" in said()
    savemat(path, {"GTinst": {"Segmentation": np.zeros((HEIGHT, WIDTH)), "Categories": np.uint8(1)}})
    assert f"GTinst.Segmentation is float64 [{HEIGHT}, {WIDTH}]" in said()
    write_gtinst(path, block(0, 0, 9, 9, HEIGHT, WIDTH), [1])
    assert f"is {HEIGHT} by {WIDTH} pixels but 2008_2.jpg is {WIDTH} by {HEIGHT}; make them equal" in said()
    write_gtinst(path, 2 * block(0, 0, 9, 9), [1])
    assert "GTinst.Segmentation has index 2, Categories 1 entries" in said()
    write_gtinst(path, block(0, 0, 9, 9), [21])
    assert "GTinst.Categories has 21; classes are 1 to 20" in said()


def test_damaged_files_end_in_a_message_and_not_in_a_crash(tmp_path: Path) -> None:
    """scipy trusts the data types in a file: a wrong one would end this process."""
    dataset = InteractiveImages(write_sbd(tmp_path, "a"), SBD)
    path = tmp_path / "inst/a.mat"
    packed = path.read_bytes()
    size = int.from_bytes(packed[132:136], "little")
    unpacked = packed[:128] + zlib.decompress(packed[136 : 136 + size])  # where damage reaches the types
    refused = 0
    for seed in range(400):
        random = Random(seed)
        content = bytearray(unpacked)
        for _ in range(random.choice([1, 3])):
            content[random.randrange(128, len(content))] = random.randrange(256)
        path.write_bytes(content)
        try:
            dataset[0]
        except InputError:
            refused += 1
    assert 40 < refused < 400
