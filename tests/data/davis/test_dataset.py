from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit.data.davis.dataset import DavisFrames
from seemkit.data.loading.samplers import SampleKey
from seemkit.data.loading.transforms import ResizeImage
from seemkit.errors import InputError
from seemkit.metrics.video import region_similarity
from seemkit.types import Vocabulary
from tests.data.davis.folders import (
    ANNOTATIONS,
    HEIGHT,
    IMAGES,
    PALETTE,
    WIDTH,
    rectangles,
    write_davis_2016,
    write_davis_2017,
)

CASES = Path(__file__).parents[3].parent / "shared" / "metrics" / "video"
PNG = f"{ANNOTATIONS}/goat"
JPG = f"{IMAGES}/goat"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three frames of two objects with void in the second, and four where object 1 comes last and 2 leaves first."""
    sequences = {
        "goat": [rectangles(1, 2), rectangles(255, 1, 2), rectangles(2, 1)],
        "dancers": [rectangles(2, 3), rectangles(0, 3), rectangles(0, 3), rectangles(1, 3)],
    }
    return write_davis_2017(tmp_path / "davis", sequences)


def columns(dataset: DavisFrames) -> list[list[list[int]]]:
    """For each frame and object the columns of `rectangles` that its mask covers."""
    return [[[c for c in range(5) if mask[4, 10 * c]] for mask in dataset[i][1].masks] for i in range(len(dataset))]


def test_frames_come_in_order(root: Path) -> None:
    dataset = DavisFrames(root, 2017)
    names = [f"goat/{i:05d}.jpg" for i in range(3)] + [f"dancers/{i:05d}.jpg" for i in range(4)]
    assert [dataset[i][1].name for i in range(len(dataset))] == names
    assert dataset.lengths == [3, 4]
    assert [round(dataset[i][0].float().mean().item()) for i in range(7)] == [0, 20, 40, 0, 20, 40, 60]


def test_samples(root: Path) -> None:
    dataset = DavisFrames(root)
    assert dataset.vocabulary == Vocabulary(("object",), (True,))
    image, target = dataset[SampleKey(1, 0)]
    assert image.shape == (3, HEIGHT, WIDTH)
    assert image.dtype == torch.uint8
    assert target.masks.shape == (2, HEIGHT, WIDTH)
    assert target.masks.dtype == torch.bool
    assert target.masks.sum((1, 2)).tolist() == [30, 30]
    assert target.labels.tolist() == [0, 0]
    assert target.labels.dtype == torch.int64
    assert target.crowd.tolist() == [False, False]
    assert target.phrases == ()


def test_a_row_is_the_same_object_throughout(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        goat = [[[0], [1]], [[1], [2]], [[1], [0]]]
        assert columns(DavisFrames(root)) == [*goat, *[[[], [0], [1]], [[], [], [1]], [[], [], [1]], [[0], [], [1]]]]


def test_the_target_keeps_its_size(root: Path) -> None:
    image, target = DavisFrames(root, transform=ResizeImage(72))[0]
    assert image.shape == (3, 72, 100)
    assert target.size == (HEIGHT, WIDTH)


def test_an_object_that_comes_later_is_background(tmp_path: Path) -> None:
    frames = [rectangles(1), rectangles(1, 4), rectangles(4)]
    dataset = DavisFrames(write_davis_2017(tmp_path, {"goat": frames}))
    with pytest.warns(UserWarning, match=rf"{PNG}: object id 4 is above 1, the largest id of the first frame"):
        assert columns(dataset) == [[[0]], [[0]], [[]]]


def test_2016_in_the_release_of_2017(root: Path) -> None:
    dataset = DavisFrames(root, 2016)
    goat = [[[0, 1]], [[1, 2]], [[0, 1]]]
    assert columns(dataset) == [*goat, [[0, 1]], [[1]], [[1]], [[0, 1]]]
    assert dataset[0][1].labels.tolist() == [0]


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P"])
def test_2016_in_its_own_release(tmp_path: Path, mode: str) -> None:
    frames = [rectangles(255), rectangles(), rectangles(0, 255)]
    root = write_davis_2016(tmp_path, {"surf": [rectangles(0, 255)] * 4, "goat": frames})
    for path in (root / PNG).iterdir():
        image = Image.open(path)
        if mode == "P":
            image.putpalette(PALETTE)
        (image if mode == "P" else image.convert(mode)).save(path)
    dataset = DavisFrames(root, 2016)
    assert dataset.lengths == [4, 3]
    assert columns(dataset)[4:] == [[[0]], [[]], [[1]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: (r / PNG / "00000.png").unlink(), rf"{PNG}/00000\.png: no such file, but 00000\.jpg exists"),
        (lambda r: (r / JPG / "00001.jpg").unlink(), rf"{JPG}/00001\.jpg: no such file, but 00001\.png exists"),
        (lambda r: shutil.rmtree(r / JPG), rf"{JPG}: no such folder"),
        (lambda r: shutil.rmtree(r / "Annotations"), r"Annotations/480p: no such folder"),
        (lambda r: (r / "ImageSets/2017/val.txt").unlink(), r"ImageSets/2017/val\.txt: no such file; check root"),
        (lambda r: (r / "ImageSets/2017/val.txt").write_text("\n\n"), r"val\.txt: lists no sequence"),
        (lambda r: (r / "ImageSets/2017/val.txt").write_text("goat\ngoat"), r"val\.txt: lists sequence goat twice"),
        (lambda r: (r / "ImageSets/2017/val.txt").write_text("goat\n1 2 3"), r"val\.txt: line 2 has 3 words"),
        (lambda r: (r / "ImageSets/2017/val.txt").write_bytes(b"\xff\xfe"), r"val\.txt: is not text"),
        (lambda r: [(r / f / f"goat/00002{s}").unlink() for f, s in ((IMAGES, ".jpg"), (ANNOTATIONS, ".png"))],
         rf"{JPG}: has 2 frames; scores need at least 3"),
        (lambda r: Image.new("P", (WIDTH, HEIGHT + 1)).save(r / PNG / "00002.png"),
         rf"{PNG}/00002\.png: is 50 by 37 pixels but 00000\.jpg is 50 by 36; make them equal"),
        (lambda r: Image.new("RGB", (9, 9)).save(r / JPG / "00001.jpg"), rf"{JPG}/00001\.jpg: is 9 by 9 pixels but"),
        (lambda r: Image.fromarray(rectangles(0, 255)).save(r / PNG / "00000.png"), r"00000\.png: shows no object"),
        (lambda r: Image.new("RGB", (WIDTH, HEIGHT)).save(r / PNG / "00000.png"), r"00000\.png: has mode RGB"),
        (lambda r: (r / JPG / "00001.jpg").write_bytes(b"no image"), rf"{JPG}/00001\.jpg: cannot be read as an image"),
    ],
)  # fmt: skip
def test_faults_are_found_at_once(root: Path, change: Callable[[Path], object], message: str) -> None:
    change(root)
    with pytest.raises(InputError, match=message):
        DavisFrames(root)


def test_damaged_pixels_are_found_when_they_are_read(root: Path) -> None:
    path = root / PNG / "00001.png"
    path.write_bytes(path.read_bytes()[:-30])
    dataset = DavisFrames(root)
    with pytest.raises(InputError, match=rf"{PNG}/00001\.png: cannot be read as an image"):
        dataset[1]


def test_faults_of_the_list_of_2016(tmp_path: Path) -> None:
    root = write_davis_2016(tmp_path, {"goat": [rectangles(255)] * 3})
    for folder, suffix in ((IMAGES, "jpg"), (ANNOTATIONS, "png")):
        (root / folder / f"goat/00001.{suffix}").unlink()
    with pytest.raises(InputError, match=rf"{JPG}/00001\.jpg: no such file, but .*480p/val\.txt lists it"):
        DavisFrames(root, 2016)
    with pytest.raises(InputError, match=r"2016/train\.txt: no such file, nor .*480p/train\.txt; check root, year"):
        DavisFrames(root, 2016, "train")


def test_another_year(root: Path) -> None:
    with pytest.raises(InputError, match=r"^year: is 2018; use 2016"):
        DavisFrames(root, 2018)


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases of davis2017-evaluation at {CASES}")
@pytest.mark.filterwarnings(r"ignore:.*void-star. object id 3 is above \d+, the largest id")
def test_masks_are_those_of_davis2017_evaluation(tmp_path: Path) -> None:
    for folder in ("Annotations", "ImageSets"):
        (tmp_path / folder).symlink_to(CASES / "DAVIS" / folder)
    for path in (CASES / "DAVIS/Annotations/480p").glob("*/*.png"):
        image = tmp_path / IMAGES / path.parent.name / f"{path.stem}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", Image.open(path).size).save(image)
    scores: dict[str, list[torch.Tensor]] = {}
    for _, target in DavisFrames(tmp_path):
        name = Path(target.name)
        values = torch.from_numpy(np.array(Image.open(CASES / "Results" / name.with_suffix(".png"))))
        found = values == torch.arange(1, len(target.masks) + 1)[:, None, None]
        scores.setdefault(name.parent.name, []).append(region_similarity(found, target.masks))
    expected = json.loads((CASES / "expected.json").read_text())["objects"]
    got = {f"{name}_{i + 1}": j for name, rows in scores.items() for i, j in enumerate(torch.stack(rows[1:-1], dim=1))}
    assert got.keys() == expected.keys()
    for name, j in got.items():
        np.testing.assert_allclose(j, expected[name]["J_per_frame"], rtol=0, atol=1e-9)
