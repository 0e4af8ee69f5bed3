from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seemkit.cli.given import check_data_folder, given
from seemkit.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
FINETUNE, TINY = str(CONFIGS / "finetune.yaml"), str(CONFIGS / "seem_tiny.yaml")
KEYS = ("data", "init_args", "root")


@pytest.mark.parametrize(
    ("words", "root"),
    [
        (["fit"], None),
        (["fit", "--config", FINETUNE], "datasets/mine"),
        (["fit", f"--config={FINETUNE}", "--data.root", "here"], "here"),
        (["fit", "--data.root=here", "--config", FINETUNE], "here"),
        (["fit", "--config", FINETUNE, "--config", TINY], "datasets/mine"),
    ],
)
def test_the_last_option_or_configuration_counts(words, root):
    assert given(words, ["--data.root"], KEYS) == root


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "--config", FINETUNE, "--help"],
        ["fit", "--config", TINY, "--data.root", "new"],
        ["fit", "--data.root", "."],
        ["fit", "--config", FINETUNE, "--data.rot", "here"],  # is looked at first, since it is misspelled
        ["predict", "--config", FINETUNE, "--data.predict_images", "photos"],
        ["fit", "--config", FINETUNE, "--print_config"],
    ],
)
def test_what_needs_no_folder(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_data_folder(words)


def test_a_missing_folder_of_a_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"datasets/mine: no such folder; set data\.root"):
        check_data_folder(["fit", "--config", FINETUNE])
    with pytest.raises(InputError, match=r"datasets/mine: no such folder"):
        check_data_folder(["fit", "--config", FINETUNE, "--data.batch_size=2", "--trainer.max_steps", "1"])


def test_images_of_a_configuration_for_prediction(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("images.yaml").write_text("data: {init_args: {predict_images: [a.jpg]}}")
    check_data_folder(["predict", "--config", FINETUNE, "--config", "images.yaml"])
    with pytest.raises(InputError, match=r"datasets/mine: no such folder"):
        check_data_folder(["test", "--config", FINETUNE, "--config", "images.yaml"])


def test_a_missing_folder_is_told_before_the_slow_imports(tmp_path):
    words = ["fit", "--config", FINETUNE, "--data.root", str(tmp_path / "typo")]
    with pytest.raises(InputError, match=r"typo: no such folder; set data\.root"):
        check_data_folder(words)
    code = "import sys; from seemkit.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert found.stdout == "2 False\n"


@pytest.mark.parametrize("content", ["- a list", "{", "just text"])
def test_no_configuration(content, tmp_path):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InputError, match=r"a\.yaml"):
        given(["fit", "--config", str(tmp_path / "a.yaml")], [], KEYS)
