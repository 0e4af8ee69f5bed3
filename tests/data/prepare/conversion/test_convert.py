"""What all conversions share, and those from labelme."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seemkit.cli import data as data_cli
from seemkit.cli.main import main
from seemkit.data.prepare.conversion.convert import READERS
from seemkit.data.prepare.conversion.geometry import clip
from seemkit.types import Size
from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, block, masks_of, shape, write_image, write_labelme

SQUARE = [[10, 5], [30, 5], [30, 25], [10, 25]]


def in_base64(image: Image.Image) -> str:
    """A PNG as labelme embeds it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder for files of labelme."""
    (tmp_path / "shots").mkdir()
    return tmp_path / "shots"


def convert(shots: Path, *words: str) -> int:
    return main(["data", "convert", "labelme", str(shots), str(shots.parent / "out"), *words])


def only(shots: Path) -> list[tuple[str, np.ndarray]]:
    """The instances of the one image."""
    (instances,) = masks_of(shots.parent / "out", "train").values()
    return instances


def test_the_command_knows_every_reader() -> None:
    assert set(data_cli.FORMATS) == set(READERS)


def test_shapes(shots: Path) -> None:
    corners = [[40, 20], [20, 10]]  # drawn from the lower right
    write_labelme(
        shots / "a.json",
        [shape("cat", SQUARE), shape("dog", corners, "rectangle"), shape("ball", [[30, 20], [30, 35]], "circle")],
    )
    assert convert(shots, "--val", "0.5") == 0
    (_, cat), (_, dog), (_, ball) = only(shots)
    assert np.array_equal(cat, block(10, 5, 30, 25))
    assert np.array_equal(dog, block(20, 10, 40, 20))
    assert ball.sum() == pytest.approx(np.pi * 15**2, rel=0.01)
    assert np.array_equal(ball, ball[:, ::-1])
    content = json.loads((shots.parent / "out/annotations/instances_train.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "ball"}, {"id": 2, "name": "cat"}, {"id": 3, "name": "dog"}]
    assert not (shots.parent / "out/val").exists()


def test_a_group_is_one_instance(shots: Path) -> None:
    right = [[40, 5], [50, 5], [50, 25], [40, 25]]
    write_labelme(
        shots / "a.json",
        [
            shape("cat", SQUARE, group=1),
            shape("dog", SQUARE, group=1),
            shape("cat", right, group=1),
            shape("cat", right),
        ],
    )
    assert convert(shots) == 0
    names, masks = zip(*only(shots), strict=True)
    assert names == ("cat", "dog", "cat")
    assert np.array_equal(masks[0], block(10, 5, 30, 25) | block(40, 5, 50, 25))
    assert np.array_equal(masks[2], block(40, 5, 50, 25))


def test_masks_are_read_placed_and_joined(shots: Path) -> None:
    ellipse = np.hypot(*np.mgrid[-5:6, -8:9] / [[[5]], [[8]]]) <= 1
    small = in_base64(Image.fromarray(ellipse))
    write_labelme(
        shots / "a.json",
        [
            shape("cat", [[12, 20], [28, 30]], "mask", mask=small),
            shape("dog", [[-4, -3], [12, 7]], "mask", mask=small, group=7),
            shape("dog", SQUARE, group=7),
            shape("hen", [[WIDTH - 9, HEIGHT - 2], [99, 99]], "mask", mask=small),
        ],
    )
    assert convert(shots) == 0
    (_, cat), (_, dog), (_, hen) = only(shots)
    canvas = np.zeros((HEIGHT, WIDTH), dtype=bool)
    canvas[20:31, 12:29] = ellipse
    assert np.array_equal(cat, canvas)
    canvas = block(10, 5, 30, 25)
    canvas[:8, :13] |= ellipse[3:, 4:]
    assert np.array_equal(dog, canvas)
    assert np.array_equal(hen[-2:, -9:], ellipse[:2, :9])
    assert hen.sum() == ellipse[:2, :9].sum() > 0


def test_what_is_left_out_is_counted(shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelme(
        shots / "a.json",
        [
            shape("cat", SQUARE),
            shape("nose", [[1, 2]], "point"),
            shape("nose", [[1, 2]], "point"),
            shape("__ignore__", SQUARE),
            shape("cat", [[90, 90], [95, 90], [95, 95]]),
            shape("cat", [[-10, 5], [20, 5], [20, 10], [-10, 10]]),
            shape("cat", [[3, 3], [4, 3], [3.5, 3]]),
        ],
    )
    write_labelme(shots / "tiny.json", [shape("cat", [[1, 1], [9, 1], [9, 9]])], imageHeight=None, imageWidth=None)
    write_image(shots / "tiny.png", 20, 20)
    write_image(shots / "unlabeled.JPG")
    assert convert(shots) == 0
    out = capsys.readouterr().out
    for line in (
        "shapes of type 'point': skipped: 2",
        "shapes labeled '__ignore__': skipped: 1",
        "polygons cut off at the border of their image: 2",
        "objects without a pixel in their image: skipped: 2",
        "images with a side under 32 pixels: skipped: 1",
        "images without a JSON: skipped: 1",
    ):
        assert line in out.splitlines()
    assert [mask.sum() for _, mask in only(shots)] == [400, 100]
    assert "nose" not in out


def test_summary(shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(10):
        write_labelme(shots / f"{index}.json", [shape("cat", SQUARE), shape("dog", SQUARE)])
    assert convert(shots, "--val", "0.2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{shots}: labelme, written to {shots.parent / 'out'}"
    assert [line.split() for line in lines[1:]] == [
        ["train", "val"], ["images", "8", "2"], ["instances", "16", "4"], ["cat", "8", "2"], ["dog", "8", "2"]
    ]  # fmt: skip


def test_the_draw_depends_on_the_seed_alone(shots: Path, tmp_path: Path) -> None:
    for index in range(10):
        write_labelme(shots / f"{index}.json", [shape("cat", SQUARE)])
    drawn = []
    for number, seed in enumerate("0012345"):
        out = tmp_path / f"out{number}"
        assert main(["data", "convert", "labelme", str(shots), str(out), "--val", "0.3", "--seed", seed]) == 0
        train, val = (set(masks_of(out, split)) for split in ("train", "val"))
        assert (len(train), len(val), len(train | val)) == (7, 3, 10)
        drawn.append(frozenset(val))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 3


def test_names_fix_the_order(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelme(shots / "a.json", [shape("cat", SQUARE)])
    names = tmp_path / "names.txt"
    names.write_text("__ignore__\n_background_\nzebra\n\n cat \n")
    assert convert(shots, "--names", str(names)) == 0
    content = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "zebra"}, {"id": 2, "name": "cat"}]
    names.write_text("zebra\n")
    (tmp_path / "out").rename(tmp_path / "first")
    assert convert(shots, "--names", str(names)) == 2
    assert "a.json: shapes[0]: 'label' 'cat' is not among the class names" in capsys.readouterr().err


def test_images_elsewhere_embedded_and_in_folders(shots: Path, tmp_path: Path) -> None:
    image = write_image(tmp_path / "images" / "x.png")
    pixels = in_base64(Image.open(image))
    write_labelme(shots / "far.json", [shape("cat", SQUARE)], imagePath="..\\images\\x.png")
    (shots / "far.png").unlink()
    (shots / "in").mkdir()
    write_labelme(shots / "in" / "data.json", [shape("cat", SQUARE)], imagePath="y.png", imageData=pixels)
    (shots / "in" / "data.png").unlink()
    write_labelme(shots / "in" / "x.json", [shape("cat", SQUARE)], imagePath="C:\\gone\\x.png")
    assert convert(shots, "--val", "0") == 0
    assert sorted(masks_of(tmp_path / "out", "train")) == ["in/x.png", "in/y.png", "x.png"]
    for name in ("x.png", "in/y.png"):
        assert np.array_equal(np.array(Image.open(tmp_path / "out/train" / name)), np.array(Image.open(image)))


def test_a_turned_photo_is_saved_upright(shots: Path) -> None:
    path = write_labelme(
        shots / "a.json", [shape("cat", SQUARE)], imageHeight=WIDTH, imageWidth=HEIGHT, imagePath="a.jpg"
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    write_image(path.with_suffix(".jpg"), exif=exif.tobytes())
    path.with_suffix(".png").unlink()
    assert convert(shots) == 0
    ((_, mask),) = only(shots)
    assert np.array_equal(mask, block(10, 5, 30, 25, width=HEIGHT, height=WIDTH))
    with Image.open(shots.parent / "out/train/a.jpg") as image:
        assert image.size == (HEIGHT, WIDTH)
        assert 0x0112 not in image.getexif()


BAD = {
    "two points": ({"shapes": [shape("cat", SQUARE[:2])]}, "shapes[0]: 'points' has 2 points"),
    "words": ({"shapes": [shape("cat", [["a", 1]] * 3)]}, "shapes[0]: 'points' must be pairs of numbers"),
    "ragged": ({"shapes": [shape("cat", [[1, 2], [3], [4, 5]])]}, "shapes[0]: 'points' must be pairs of numbers"),
    "not finite": ({"shapes": [shape("cat", [[1, 2], [3, float("nan")], [4, 5]])]}, "'points' must be pairs"),
    "circle": ({"shapes": [shape("cat", SQUARE, "circle")]}, "'points' of a circle must be its center"),
    "mask": ({"shapes": [shape("cat", [[1, 1], [2, 2]], "mask", mask="AAAA")]}, "'mask' is not an image in base64"),
    "no mask": ({"shapes": [shape("cat", [[1, 1], [2, 2]], "mask")]}, "shapes[0]: has no 'mask'"),
    "label": ({"shapes": [shape(" ", SQUARE)]}, "shapes[0]: 'label' '' is not among the class names"),
    "shape": ({"shapes": [3]}, "shapes[0]: is a int; it must be an object"),
    "no shapes": ({"shapes": None}, "'shapes' is a NoneType; it must be a list"),
    "nothing": ({"shapes": [shape("cat", [[1, 1]], "point")]}, "has no object that can be converted; shapes of type"),
    "size": ({"shapes": [], "imageWidth": 61}, "'imageWidth' is 61 but the image has 60"),
    "image": ({"shapes": [], "imagePath": "b.png"}, "'imagePath' b.png: no such image"),
    "imageData": ({"shapes": [], "imagePath": "b.png", "imageData": "?"}, "'imageData' is not an image in base64"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(name: str, shots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, said = BAD[name]
    write_labelme(shots / "a.json", **content)
    assert convert(shots) == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(shots) in error
    assert error.count("\n") == 1
    assert [path.name for path in shots.parent.iterdir()] == ["shots"]


def test_bad_files_and_arguments(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert convert(shots, *words) == 2
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    assert "holds no .json" in said()
    write_labelme(shots / "a.json", [shape("cat", SQUARE)])
    assert "--val 1: expected a share" in said("--val", "1")
    assert "none.txt: no such file" in said("--names", str(tmp_path / "none.txt"))
    (tmp_path / "names.txt").write_text("cat\ncat\n")
    assert "class 'cat' occurs twice" in said("--names", str(tmp_path / "names.txt"))
    (tmp_path / "names.txt").write_text("\n")
    assert "names no class" in said("--names", str(tmp_path / "names.txt"))
    (shots / "b.json").write_text("{")
    assert "b.json: is not valid JSON" in said()
    write_labelme(shots / "b.json", [shape("cat", SQUARE)], imagePath="a.png")
    assert "b.json: its image would be train/a.png, like that of" in said("--val", "0")
    (shots / "b.json").unlink()
    (shots / "a.png").write_bytes((shots / "a.png").read_bytes()[:80])
    assert "a.png: cannot be read as an image" in said()
    assert main(["data", "convert", "labelme", str(tmp_path / "none"), str(tmp_path / "out")]) == 2


def test_out_must_be_absent_or_empty(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labelme(shots / "a.json", [shape("cat", SQUARE)])
    (tmp_path / "out").mkdir()
    assert convert(shots) == 0
    assert convert(shots) == 2
    assert "out: exists already" in capsys.readouterr().err


def test_a_failure_while_writing_leaves_nothing(
    shots: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    write_labelme(shots / "a.json", [shape("cat", SQUARE)])
    monkeypatch.setattr("seemkit.data.prepare.conversion.convert.json.dumps", full)
    assert convert(shots) == 2
    assert "out: cannot write there: No space left on device" in capsys.readouterr().err
    assert [path.name for path in shots.parent.iterdir()] == ["shots"]


def test_clipping_is_exact() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        angles = (np.arange(7) + generator.uniform(0, 1, 7)) * 2 * np.pi / 7
        star = generator.uniform(5, 40, (7, 1)) * np.stack([np.cos(angles), np.sin(angles)], -1) + (WIDTH / 2, 5)
        inside = clip(star, Size(HEIGHT, WIDTH))
        assert np.array_equal(clip(star + 100, Size(300, 300)), star + 100)
        assert area(inside) == pytest.approx(area_in_image(star), rel=0.02, abs=4)
        assert (inside >= 0).all()
        assert (inside <= (WIDTH, HEIGHT)).all()


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def area_in_image(points: np.ndarray) -> float:
    """The share of the image's points on a fine grid that lie in a polygon, by counting crossings."""
    steps = 4
    x, y = np.meshgrid((np.arange(WIDTH * steps) + 0.5) / steps, (np.arange(HEIGHT * steps) + 0.5) / steps)
    odd = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, 1, axis=0), strict=True):
        odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return float(odd.sum()) / steps**2
