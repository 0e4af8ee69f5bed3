"""The page in a real browser, with a real server and a shipped model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seemkit import SEEM, Session
from seemkit.cli.main import main
from seemkit.data.scenes.scene import make_scene
from seemkit.ops.rle import encode_mask
from seemkit.prompts.registry import parse_prompt
from tests.app.browser import CHROMIUM, Page, browsing, saved, serving

pytest.importorskip("playwright", reason="Playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("browser"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def network() -> SEEM:
    return SEEM.from_pretrained("scenes-tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(make_scene(1, "train", number).image).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def page(folder: Path) -> Iterator[Page]:
    with serving(str(folder), "--model", "scenes-tiny") as server, browsing(server) as page:
        yield page


def test_each_tool_gives_the_mask_of_its_prompt(page: Page, folder: Path, network: SEEM) -> None:
    session = Session(network, folder / "0.png")
    gestures = {
        "point": ("40,76", lambda: page.click(40, 76)),
        "box": ("20,50,60,100", lambda: page.drag((20, 50), (60, 100))),
        "circle": ("40,76,10", lambda: page.drag((40, 76), (50, 76))),
        "scribble": ("30,76,40,76,50,76", lambda: page.drag((30, 76), (40, 76), (50, 76))),
    }
    for kind, (word, make) in gestures.items():
        page.page.click("#new")
        page.tool(kind)
        make()
        assert page.error == ""
        page.label(-1, kind)
        found, wanted = saved(folder, "0.png")[kind], session.predict(parse_prompt(f"{kind}={word}")).mask.numpy()
        agree = (found & wanted).sum() / max(1, (found | wanted).sum())
        assert agree > 0.9, f"{kind}: {agree}"  # a pixel of the window is less than one of the image


FILL = """async (mask) => {
  const { outline } = await import("/outline.js");
  const [height, width] = mask.size;
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  context.fill(outline(mask), "evenodd");
  return [...context.getImageData(0, 0, width, height).data].filter((_, at) => at % 4 === 3);
}"""


def test_outlines_fill_the_pixels_of_a_mask(page: Page) -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((37, 53)) < share for share in (0.0, 0.05, 0.5, 0.9, 1.0)]
    masks += [np.kron(rng.random((6, 9)) < 0.5, np.ones((9, 7))) > 0, np.eye(20) > 0, np.ones((1, 1)) > 0]
    for mask in masks:
        filled = page.page.evaluate(FILL, encode_mask(torch.from_numpy(mask)))
        assert np.array_equal(np.reshape(filled, mask.shape), mask * 255)


def test_clicks_corrections_and_undo(page: Page, folder: Path) -> None:
    page.click(40, 76)
    first = next(iter(saved(folder, "0.png").values()))
    page.click(24, 104, "Shift")
    second = next(iter(saved(folder, "0.png").values()))
    assert not second[104, 24]
    page.answered(lambda: page.page.keyboard.press("Control+z"))
    assert np.array_equal(next(iter(saved(folder, "0.png").values())), first)
    page.answered(lambda: page.page.keyboard.press("Control+y"))
    assert np.array_equal(next(iter(saved(folder, "0.png").values())), second)


def test_polygon_by_clicks(page: Page, folder: Path) -> None:
    page.tool("polygon")
    for x, y in ((20, 50), (60, 50), (60, 100), (20, 100)):
        page.page.mouse.click(*page.place(x, y))
    page.answered(lambda: page.page.keyboard.press("Enter"))
    assert len(page.labels) == 1


def test_several_objects_a_text_and_everything(page: Page, folder: Path) -> None:
    page.click(40, 76)
    page.page.click("#new")
    page.page.fill("#text", "the orange disc")
    page.answered(lambda: page.page.keyboard.press("Enter"))
    assert page.labels == ["disc", "the orange disc"]
    page.answered(lambda: page.page.click("#panoptic"))
    assert len(page.labels) > 4
    assert set(saved(folder, "0.png")) == {"disc", "the orange disc"}  # proposals are not saved
    page.answered(lambda: page.page.click("#accept"))
    assert {"disc", "the orange disc"} < set(saved(folder, "0.png"))
    page.answered(page.page.locator("#objects button").first.click)
    assert "the orange disc" in page.labels
    page.page.fill("#text", "disc")
    page.answered(lambda: page.page.click("#find"))
    assert page.labels.count("disc") >= 2


def test_what_is_asked_anew_replaces_what_waits(page: Page, folder: Path) -> None:
    for button in ("#panoptic", "#instances", "#panoptic"):
        page.page.click(button)
    page.answered(lambda: None)
    assert page.error == ""
    names = sorted(page.labels)
    page.answered(lambda: page.page.click("#panoptic"))
    assert sorted(page.labels) == names
    page.page.click("#panoptic")
    page.answered(lambda: page.page.keyboard.press("d"))
    assert page.error == ""
    assert page.labels == []


def test_a_region_of_a_reference_image(page: Page, folder: Path) -> None:
    page.answered(lambda: page.page.set_input_files("#reference-file", str(folder / "1.png")))
    page.page.wait_for_selector("#reference-canvas:not([hidden])")
    page.answered(lambda: page.page.click("#reference-canvas", position={"x": 100, "y": 100}))
    assert page.error == ""
    assert len(page.labels) == 1


def test_brush_and_eraser(page: Page, folder: Path) -> None:
    page.click(40, 76)
    before = next(iter(saved(folder, "0.png").values())).sum()
    page.tool("brush")
    page.drag((100, 20), (115, 20))
    painted = next(iter(saved(folder, "0.png").values()))
    assert painted[20, 108]
    page.tool("eraser")
    page.drag((90, 20), (125, 20))
    erased = next(iter(saved(folder, "0.png").values()))
    assert not erased[20, 108]
    assert abs(int(erased.sum()) - int(before)) < 40


def test_a_mask_file_and_the_map_of_classes(page: Page, folder: Path, tmp_path: Path) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[60:95, 25:58] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    page.tool("mask")
    page.answered(lambda: page.page.set_input_files("#mask-file", str(tmp_path / "mask.png")))
    assert page.error == ""
    assert len(page.labels) == 1
    page.answered(lambda: page.page.click("#semantic"))
    assert len(page.labels) > 2


def test_images_that_are_switched_quickly_keep_their_own_labels(page: Page, folder: Path) -> None:
    page.click(40, 76)
    page.label(0, "first")
    for _ in range(3):  # clicks whose answers come when another image is shown
        page.page.mouse.click(*page.place(90, 30))
        page.page.keyboard.press("d")
        page.page.keyboard.press("a")
    page.answered(lambda: page.page.keyboard.press("d"))
    page.answered(lambda: page.page.keyboard.press("d"))
    page.answered(lambda: None)
    assert "2.png" in page.page.inner_text("#status")
    page.click(40, 76)
    page.label(0, "third")
    assert set(saved(folder, "2.png")) == {"third"}
    assert saved(folder, "1.png") == {}
    assert "first" in saved(folder, "0.png")


def test_rows_of_the_list(page: Page, folder: Path) -> None:
    page.click(40, 76)
    page.page.click("#new")
    page.click(100, 20)
    page.label(0, "dad")  # whose letters are keys of the page too
    assert page.labels[0] == "dad"
    boxes = page.page.locator('#objects input[type="checkbox"]')
    boxes.first.click()
    assert not boxes.first.is_checked()
    page.answered(page.page.locator("#objects button").last.click)
    assert page.labels == ["dad"]
    assert set(saved(folder, "0.png")) == {"dad"}
    page.answered(lambda: page.page.keyboard.press("Control+z"))
    assert len(page.labels) == 2


def test_quick_clicks_are_all_answered(page: Page, folder: Path) -> None:
    page.page.mouse.click(*page.place(40, 76))
    page.page.keyboard.press("n")
    page.page.mouse.click(*page.place(100, 20))
    page.page.keyboard.press("n")
    page.page.mouse.click(*page.place(20, 110))
    page.page.keyboard.down("Shift")
    page.page.mouse.click(*page.place(40, 76))
    page.page.keyboard.up("Shift")
    page.answered(lambda: None)
    assert page.error == ""
    assert len(page.labels) == 3


def test_an_error_is_one_line_in_the_page(page: Page) -> None:
    page.page.fill("#text", " ")
    page.answered(lambda: page.page.press("#text", "Enter"))
    assert "text prompt is empty" in page.error
    page.click(40, 76)
    assert page.error == ""


def test_three_images_are_labeled_and_trained_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(str(folder), "--model", "scenes-tiny", "--classes", "disc,thing") as address,
        browsing(address) as page,
    ):
        for number in range(3):
            page.page.wait_for_selector(f'#status:has-text("{number}.png")')
            page.answered(lambda: None)
            page.click(40, 76)
            page.label(0, "thing")
            page.answered(lambda: page.page.click("#next"))
        assert page.page.locator("#images li.labeled").count() == 3
    words = ["--config", str(ROOT / "configs/finetune.yaml"), "--data.root", str(folder), "--trainer.max_epochs", "1"]
    small = [
        "--trainer.default_root_dir",
        str(tmp_path / "run"),
        "--trainer.accelerator",
        "cpu",
        "--data.num_workers",
        "0",
    ]
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *words, *small, "--trainer.devices", "1"]) == 0
    assert (tmp_path / "run/model.safetensors").is_file()


def test_the_page_goes_on_after_a_reload(page: Page, folder: Path) -> None:
    page.click(40, 76)
    page.label(0, "first")
    page.answered(lambda: page.page.keyboard.press("d"))
    page.click(40, 76)
    page.label(0, "second")
    before = saved(folder, "1.png")["second"]
    page.page.reload()
    page.page.wait_for_selector("body[data-ready]", timeout=60_000)
    assert "1.png" in page.page.inner_text("#status")
    assert page.labels == ["second"]
    page.page.locator("#objects .swatch").first.click()
    page.click(24, 104, "Shift")
    after = saved(folder, "1.png")["second"]
    assert not after[104, 24]
    assert before.any()
    page.answered(lambda: page.page.keyboard.press("a"))
    assert page.labels == ["first"]


def test_a_model_that_names_nothing_leaves_it_to_the_user(folder: Path) -> None:
    with (
        serving(str(folder), "--model", "photos-tiny", "--classes", "cup,plate") as server,
        browsing(server) as page,
    ):
        page.click(40, 76)
        assert page.labels == ["cup"]
        page.label(0, "spoon")
        page.page.click("#new")
        page.click(100, 20)
        assert page.labels == ["spoon", "spoon"]
        offered = page.page.evaluate("() => [...document.querySelectorAll('#classes option')].map((one) => one.value)")
        assert offered == ["cup", "plate", "spoon"]


def test_a_killed_server_loses_nothing(folder: Path) -> None:
    with serving(str(folder), "--model", "scenes-tiny") as server, browsing(server) as page:
        page.click(40, 76)
        server.kill()
        before = saved(folder, "0.png")
    assert before
    with serving(str(folder), "--model", "scenes-tiny") as server, browsing(server) as page:
        page.answered(page.page.locator("#images li").first.click)
        assert page.labels == list(before)
        page.page.locator("#objects .swatch").first.click()
        page.click(24, 104, "Shift")  # a label that was read is corrected by clicks
        assert not next(iter(saved(folder, "0.png").values()))[104, 24]


def test_the_page_goes_on_with_a_server_that_was_started_anew(folder: Path) -> None:
    with serving(str(folder), "--model", "scenes-tiny") as server, browsing(server) as page:
        page.click(40, 76)
        server.kill()
        page.click(24, 104, "Shift")
        assert "server does not answer" in page.error
        with serving(str(folder), "--model", "scenes-tiny", port=server.port):
            page.click(24, 104, "Shift")
            assert page.error == ""
            assert not next(iter(saved(folder, "0.png").values()))[104, 24]


def test_a_kind_of_another_package_has_its_tool(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "packages"
    info = package / "seemkit_lasso-0.1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(ROOT / "plugins/seemkit-lasso/seemkit_lasso.py", package)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: seemkit-lasso\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[seemkit]\nlasso = seemkit_lasso\n")
    with serving(str(folder), "--model", "scenes-tiny", path=package) as server, browsing(server) as page:
        page.tool("lasso")
        page.drag((20, 50), (60, 50), (60, 100), (20, 100), (20, 52))
        assert page.error == ""
        assert len(page.labels) == 1
        assert torch.tensor(next(iter(saved(folder, "0.png").values()))).any()
