"""``seemkit track`` as a user runs it."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import Box, Mask, Point, Tracker
from seemkit.cli.main import main
from seemkit.inference.drawing import to_pil
from seemkit.io.frames import Frames
from seemkit.io.video import read_video, writing_video
from seemkit.postprocess.object_ids import object_ids
from seemkit.types import Size
from tests.networks import picture

HEIGHT, WIDTH = 60, 90
FRAMES = [picture(HEIGHT, WIDTH, seed) for seed in range(4)]


@pytest.fixture(scope="session")
def weights(field_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    field_network.save(folder)
    return str(folder)


@pytest.fixture
def clip(tmp_path):
    """A folder of frames."""
    folder = tmp_path / "clips" / "kite"
    folder.mkdir(parents=True)
    for index, frame in enumerate(FRAMES):
        to_pil(frame).save(folder / f"{index:05d}.png")
    return folder


@pytest.fixture
def two_objects(tmp_path):
    """A file of prompts."""
    path = tmp_path / "prompts.json"
    kite = [{"kind": "box", "x0": 5, "y0": 5, "x1": 35, "y1": 25}]
    path.write_text(json.dumps({"prompts": {"kite": kite, "string": [{"kind": "point", "x": 60, "y": 40}]}}))
    return str(path)


def read_ids(path):
    image = Image.open(path)
    assert image.mode == "P"
    return torch.from_numpy(np.array(image))


def followed(network, frames, *objects):
    """The map of ids of each frame."""
    tracker, maps = Tracker(network), []
    for index, frame in enumerate(frames):
        with torch.no_grad():
            context = network.encode_image([frame])
        if index:
            tracker.step(context)
        else:
            tracker.add(context, objects)
        maps.append(object_ids(tracker.masks))
    return maps


def test_a_folder_becomes_maps_of_ids(weights, field_network, clip, two_objects, tmp_path, capsys):
    out = tmp_path / "results"
    words = ["track", str(clip), "--model", weights, "--prompts", two_objects, "--point", "20,50"]
    assert main([*words, "--out", str(out)]) == 0
    expected = followed(field_network, FRAMES, [Box(5, 5, 35, 25)], [Point(60, 40)], [Point(20, 50)])
    found = [read_ids(out / "kite" / f"{index:05d}.png") for index in range(len(FRAMES))]
    for ids, wanted in zip(found, expected, strict=True):
        assert (ids == wanted).float().mean() > 0.99  # saved weights have been read back
    assert sorted(path.name for path in out.iterdir()) == ["kite"]
    assert len(list((out / "kite").iterdir())) == len(FRAMES)
    said = capsys.readouterr().out.splitlines()
    counts = [sum(bool((ids == number).any()) for ids in found) for number in (1, 2, 3)]
    names = ("kite", "string", "object")
    assert said[:3] == [
        f"{n} {name}: found in {c} frames" for n, (name, c) in enumerate(zip(names, counts, strict=True), 1)
    ]
    assert said[3] == f"written to {out / 'kite'}"


def test_a_given_mask_is_the_first_map(weights, clip, tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:25, 5:35] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = ["track", str(clip), "--model", weights, "--prompt", f"mask={tmp_path / 'mask.png'}"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    first = read_ids(tmp_path / "out" / "kite" / "00000.png")
    assert first.bool().equal(Mask.read(tmp_path / "mask.png").mask)


def test_a_video_with_an_overlay_from_a_later_frame_on(weights, tmp_path):
    video, out = tmp_path / "boat.mp4", tmp_path / "out"
    with writing_video(video, Fraction(10), Size(HEIGHT, WIDTH)) as append:
        for frame in FRAMES:
            append(frame)
    words = ["track", str(video), "--model", weights, "--point", "30,30", "--at", "2", "--overlay"]
    assert main([*words, "--out", str(out)]) == 0
    names = sorted(path.name for path in (out / "boat").iterdir())
    assert names == [f"{index:05d}.png" for index in range(len(FRAMES))]
    maps = [read_ids(out / "boat" / name) for name in names]
    assert [bool(ids.any()) for ids in maps[:3]] == [False, False, True]
    assert all(ids.shape == (HEIGHT, WIDTH) for ids in maps)
    shown, frames = list(read_video(out / "boat.mp4")), list(Frames(video))
    assert len(shown) == 2
    inside = maps[2] > 0
    difference = (shown[0].float() - frames[2].pixels.float()).abs().mean(dim=0)
    assert difference[inside].mean() > 2 * difference[~inside].mean()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to follow"),
        (["--point", "200,10"], "outside the image of 90 x 60"),
        (["--point=-20,10"], "no prompt of an object is positive"),
        (["--point", "20,10", "--at", "-1"], "--at -1: expected a frame number, 0 or more"),
        (["--point", "20,10", "--at", "4"], "--at 4: the video has 4 frames"),
        (["--prompts", "absent.json"], "absent.json: no such file"),
    ],
)
def test_bad_prompts_are_one_line_and_leave_nothing(weights, clip, tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert main(["track", str(clip), "--model", weights, "--out", str(out), "--overlay", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_bad_frame_ends_the_run_with_whole_files(weights, clip, tmp_path, capsys):
    to_pil(picture(HEIGHT, WIDTH + 2)).save(clip / "00002.png")
    out = tmp_path / "out"
    words = ["track", str(clip), "--model", weights, "--point", "20,10", "--overlay", "--out", str(out)]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "frame 00002 is 92 by 60 pixels" in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["00000.png", "00001.png"]
    assert all(read_ids(path).shape == (HEIGHT, WIDTH) for path in (out / "kite").iterdir())


def test_nothing_of_the_users_is_written_over(weights, clip, tmp_path, capsys):
    words = ["track", "--model", weights, "--point", "20,10"]
    before = {path: path.read_bytes() for path in clip.iterdir()}
    assert main([*words, str(clip), "--out", str(clip.parent)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in clip.iterdir()}
    video = tmp_path / "boat.mp4"
    with writing_video(video, Fraction(10), Size(HEIGHT, WIDTH)) as append:
        append(FRAMES[0])
    content = video.read_bytes()
    assert main([*words, str(video), "--overlay", "--out", str(tmp_path)]) == 2
    assert "boat.mp4: exists already" in capsys.readouterr().err
    assert video.read_bytes() == content


def test_a_place_that_cannot_be_written(weights, clip, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    words = ["track", str(clip), "--model", weights, "--point", "20,10", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "cannot write there" in capsys.readouterr().err
