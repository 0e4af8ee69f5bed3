"""``seemkit segment FOLDER``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seemkit.cli.main import main
from tests.networks import picture

SIZES = {"b.png": (64, 96), "a.png": (64, 96), "c10.jpg": (64, 96), "c9.jpg": (70, 90)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "photos"
    found.mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        Image.fromarray(picture(*size, seed=seed).permute(1, 2, 0).numpy()).save(found / name)
    return found


def segmented(out: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Label and mask of everything found, by image."""
    results = {path.parent.name: json.loads(path.read_text()) for path in sorted(out.glob("*/result.json"))}
    return {
        name: [(o["label"], np.array(Image.open(out / name / o["mask"])) > 0) for o in result["objects"]]
        for name, result in results.items()
    }


def test_every_image_has_a_folder_whatever_the_batch(folder, tmp_path, capsys):
    found = {}
    for batch in (1, 3):
        out = tmp_path / f"out{batch}"
        assert main(["segment", str(folder), "--text", "a star", "--out", str(out), "--batch", str(batch)]) == 0
        assert f"4 of 4 images, 4 masks, written to {out}" in capsys.readouterr().out
        found[batch] = segmented(out)
    assert list(found[1]) == ["a", "b", "c10", "c9"]
    for name, size in (("a", (64, 96)), ("c9", (70, 90))):
        assert Image.open(tmp_path / "out1" / name / "overlay.png").size == size[::-1]
    for name, objects in found[1].items():
        for (label, mask), (other, batched) in zip(objects, found[3][name], strict=True):
            assert label == other == "a star"
            assert (mask != batched).mean() < 1e-3  # rounding may move single pixels


def test_a_folder_gives_what_its_images_give(folder, tmp_path):
    main(["segment", str(folder), "--out", str(tmp_path / "all"), "--threshold", "0.1"])
    main(["segment", str(folder / "c9.jpg"), "--out", str(tmp_path / "one" / "c9"), "--threshold", "0.1"])
    together, alone = segmented(tmp_path / "all")["c9"], segmented(tmp_path / "one")["c9"]
    assert [label for label, _ in together] == [label for label, _ in alone]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(together, alone, strict=True))


def test_what_cannot_be_done_is_left_out_and_named(folder, tmp_path, capsys):
    (folder / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (20, 200)).save(folder / "thin.png")
    out = tmp_path / "out"
    assert main(["segment", str(folder), "--point", "92,10", "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "3 of 6 images, 3 masks" in said
    for name, why in (("broken.png", "cannot"), ("thin.png", "20 by 200 pixels"), ("c9.jpg", "outside")):
        (line,) = [line for line in said.splitlines() if name in line]
        assert why in line
    assert set(segmented(out)) == {"a", "b", "c10"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "0"], "--batch 0: expected at least 1"),
        (["--point", "here"], "point"),
        (["--device", "nowhere"], "device: 'nowhere' is not available"),
    ],
)
def test_bad_requests(folder, tmp_path, capsys, words, message):
    assert main(["segment", str(folder), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_folders_without_images_and_with_two_of_one_name(folder, tmp_path, capsys):
    Image.new("RGB", (40, 40)).save(folder / "a.jpg")
    assert main(["segment", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "have the same name; rename one" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["segment", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 2
    assert "empty: holds no image" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(folder, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(["segment", str(folder), "--text", "a star", "--out", str(tmp_path / "out")]) == 2
    assert "cannot write there" in capsys.readouterr().err
