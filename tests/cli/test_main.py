"""The command line: quick help, one clear line for bad input, and the light verbs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from seemkit import SEEM
from seemkit.cli.main import main
from seemkit.data.scenes.scene import make_scene

NOT_THERE = {"kind": "point", "x": 3, "y": 3, "positive": False}


@pytest.fixture(scope="session")
def weights(tiny_network: SEEM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    tiny_network.save(folder)
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["--help"], ["--version"], ["segment", "--help"], ["track", "--help"], ["data", "scenes", "--help"],
        ["data", "convert", "--help"], ["data", "check", "--help"],
        ["data", "shard", "--help"], ["plugins", "new", "--help"],
    ],
)  # fmt: skip
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom seemkit.cli.main import main\n"
        f"try:\n    main({words})\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'torch', 'lightning', 'numpy', 'timm'} & set(sys.modules)\nassert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "seemkit" in result.stdout


def test_version_and_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert main(["plugins"]) == 0
    listed = capsys.readouterr().out
    assert "point" in listed
    assert "visual_prompt" in listed
    assert "text_prompt" in listed


def test_segment_writes_overlay_masks_and_json(weights: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["segment", str(photo), "--model", str(weights), "--point", "30,40", "--text", "the red star"]
    assert main([*words, "--out", str(out)]) == 0
    result = json.loads((out / "result.json").read_text())
    (record,) = result["objects"]
    mask = np.array(Image.open(out / record["mask"])) > 0
    assert mask.shape == (70, 90)
    assert Image.open(out / "overlay.png").size == (90, 70)
    assert np.array_equal(coco_mask.decode(record["segmentation"]).astype(bool), mask)
    assert record["label"] == "the red star"
    assert 0 <= record["score"] <= 1
    assert sorted(path.name for path in out.iterdir()) == ["mask_00.png", "overlay.png", "result.json"]


def test_segment_all_finds_every_object_that_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = make_scene(0, "test", 23)  # three mugs and a triangle
    Image.fromarray(scene.image).save(tmp_path / "scene.png")
    words = ["segment", str(tmp_path / "scene.png"), "--text", "mug", "--out", str(tmp_path / "out")]
    assert main([*words, "--all"]) == 0
    objects = json.loads((tmp_path / "out" / "result.json").read_text())["objects"]
    assert len(objects) > 1
    assert {record["label"] for record in objects} == {"mug"}
    assert main([*words[:2], *words[4:], "--all"]) == 2
    assert "--all: needs a prompt, for example --text star" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--point", "30,40"], ["--text", "a star"], []])
def test_scenes_tiny_starts_without_slow_packages(words: list[str], photo: Path, tmp_path: Path) -> None:
    """Importing them takes longer than everything else that the command does."""
    call = ["segment", str(photo), "--model", "scenes-tiny", "--out", str(tmp_path / "out"), *words]
    code = (
        f"import sys\nfrom seemkit.cli.main import main\nassert main({call}) == 0\n"
        "slow = {'lightning', 'open_clip', 'sympy', 'timm', 'torch._dynamo', 'torchvision'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--point", "200,10"], "outside the image of 90 x 70"),
        (["--point", "many"], "expected X,Y"),
        (["--text", " "], "text prompt is empty"),
        (
            ["--prompt", "nose=1,2"],
            "prompt kind 'nose' is not installed; installed: box, circle, mask, point, polygon, ",
        ),
        (["--prompt", "lasso"], "expected KIND=VALUE"),
        (["--prompt", "box=1,1,1,5"], "box 1,1,1,5 has no area"),
        (["--prompt", "polygon=1,2,3,4"], "polygon '1,2,3,4': expected X,Y,X,Y,… with at least 3 points"),
        (["--point=-20,30"], "all prompts are negative"),
        (["--point", "30,30", "--seed", "99999999999999999999"], "seed: '99999999999999999999'; expected a whole"),
        (["--threshold", "2"], "--threshold 2: expected a probability"),
        (["--prompts", "absent.json"], "absent.json: no such file"),
    ],
)
def test_bad_prompts_are_one_line_and_leave_nothing(
    words: list[str], said: str, weights: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(photo), "--model", str(weights), "--out", str(out), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_bad_files_are_one_line(weights: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:300])
    small = tmp_path / "small.png"
    Image.new("RGB", (20, 90)).save(small)
    for image, model in ((broken, weights), (small, weights), (tmp_path / "none.png", weights), (photo, tmp_path)):
        words = ["segment", str(image), "--model", str(model), "--point", "1,1", "--out", str(tmp_path / "out")]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(image if model == weights else tmp_path) in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK"])
def test_any_kind_of_image_is_read(mode: str, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new(mode, (64, 48)).save(path)
    words = ["segment", str(path), "--model", str(weights), "--point", "5,5", "--out", str(tmp_path / "out")]
    assert main(words) == 0


def test_debug_shows_the_traceback(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"architecture\.yaml"):
        main(["segment", str(photo), "--model", str(tmp_path), "--point", "1,1", "--out", str(tmp_path), "--debug"])


def test_data_scenes_writes_coco(tmp_path: Path) -> None:
    assert main(["data", "scenes", "--out", str(tmp_path / "s"), "--images", "3", "--seed", "5"]) == 0
    content = json.loads((tmp_path / "s/annotations/panoptic_train.json").read_text())
    assert len(content["images"]) == 3


def test_the_shipped_model_is_there_right_after_installing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "scenes", "--out", "scenes", "--images", "1", "--seed", "3"]) == 0
    assert main(["segment", "scenes/train/000000.png", "--text", "the sky", "--out", "out"]) == 0
    assert json.loads((tmp_path / "out" / "result.json").read_text())["objects"]


def test_segment_several_objects_from_a_file(weights: Path, photo: Path, tmp_path: Path) -> None:
    prompts = {
        "dog": [{"kind": "box", "x0": 5, "y0": 5, "x1": 60, "y1": 50}, {"kind": "text", "text": "a dog"}],
        "cat": [
            {"kind": "scribble", "points": [[70, 50], [80, 60]]},
            {"kind": "point", "x": 3, "y": 3, "positive": False},
        ],
    }
    (tmp_path / "prompts.json").write_text(json.dumps({"prompts": prompts}))
    words = ["segment", str(photo), "--model", str(weights)]
    assert main([*words, "--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "out")]) == 0
    first = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [record["name"] for record in first["objects"]] == ["dog", "cat"]
    picture = np.array(Image.open(tmp_path / "out" / "overlay.png"))
    assert (picture[5, 5:60] == (40, 200, 60)).all()  # the upper edge of the box
    assert first["objects"][0]["label"] == "a dog"
    assert first["prompts"] == prompts
    again = ["--prompts", str(tmp_path / "out" / "result.json"), "--out", str(tmp_path / "again")]
    assert main([*words, *again]) == 0
    assert json.loads((tmp_path / "again" / "result.json").read_text()) == first


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "holds a list"),
        ("{}", "expected prompts as"),
        ('{"prompts": {"a": 3}}', "expected prompts as"),
        ('{"prompts": {"a": []}}', "object 'a' has no prompt"),
        ('{"prompts": {"a": [{"kind": "nose"}]}}', "prompt kind 'nose' is not installed"),
        ('{"prompts": {"a": [{"kind": "point", "x": 1}]}}', "point: field 'y' is missing"),
    ],
)
def test_bad_prompt_files(
    weights: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(content)
    words = ["segment", str(photo), "--model", str(weights), "--out", str(tmp_path / "out"), "--prompts", str(path)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(path) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_earlier_result_is_replaced_and_nothing_else(weights: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prompts = {name: [{"kind": "point", "x": 30, "y": 30}] for name in ("a", "b", "c")}
    (tmp_path / "prompts.json").write_text(json.dumps({"prompts": prompts}))
    words = ["segment", str(photo), "--model", str(weights), "--out", str(out)]
    assert main([*words, "--prompts", str(tmp_path / "prompts.json")]) == 0
    (out / "mask_mine.png").write_text("mine")
    (out / "mask_07.png").write_text("mine")
    assert main([*words, "--point", "30,30"]) == 0
    mine = ["mask_00.png", "mask_07.png", "mask_mine.png", "overlay.png", "result.json"]
    assert sorted(path.name for path in out.iterdir()) == mine


def test_nothing_found_is_said(weights: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["segment", str(photo), "--model", str(weights), "--out", str(tmp_path / "out"), "--threshold", "1"]
    assert main(words) == 0
    assert "nothing found: no segment has a score above 1 (--threshold)" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "result.json").read_text())["objects"] == []


def test_segment_with_another_image(weights: Path, photo: Path, tmp_path: Path) -> None:
    words = ["segment", str(photo), "--model", str(weights), "--out", str(tmp_path / "out")]
    assert main([*words, "--prompt", f"referred-region={photo}:box=10,10,40,40;point=-1,1"]) == 0
    (prompt,) = json.loads((tmp_path / "out" / "result.json").read_text())["prompts"]["object"]
    assert prompt["image"] == str(photo)
    assert [part["kind"] for part in prompt["prompts"]] == ["box", "point"]


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("seemkit.cli.models._list", interrupted)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "seemkit: interrupted\n"
    with pytest.raises(KeyboardInterrupt):
        main(["--debug", "models"])
