"""What is said of a misspelled option, class or value."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from seemkit.cli.main import main
from seemkit.cli.train import configs_first

FINETUNE = Path(__file__).parents[2] / "configs" / "finetune.yaml"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model.optimization.learning_rat", "3"], "did you mean --model.optimization.learning_rate?"),
        (["--trainer.max_epoch", "3"], "--trainer.max_epoch: no such option; did you mean --trainer.max_epochs"),
        (["--data.sourcez", "3"], "data: CocoDataModule has no option 'sourcez'; did you mean sources?"),
        (["--data.batch_size", "two"], "data: batch_size of CocoDataModule is 'two'; expected int"),
        (["--trainer.callbacks+=seemkit.callbacks.Raport"], "has no Raport; did you mean Report"),
        (["--model.optimization.learning_rate", "-3"], "learning_rate is -3; use a number"),
        (["--data.root", "/nowhere"], "/nowhere: no such folder; set data.root"),
        (["--data.train_split", "train2017"], "has no split 'train2017', but train"),
        (["--data.test_split", "val", "--model.weights", "null"], "would stay random"),
    ],
)  # fmt: skip
def test_one_line_says_what_to_correct(words, said, scenes, tmp_path, capsys):
    usual = ["--config", str(FINETUNE), "--data.root", str(scenes), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", *usual, *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seemkit: ")]
    assert len(lines) == 1
    assert said in lines[0]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    from seemkit.data.scenes import write_scenes

    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", {"train": 1, "val": 1}, size=64)


def test_options_before_a_configuration_count():
    words = ["fit", "--trainer.max_epochs", "1", "--config", "a.yaml", "--config=b.yaml", "--data.root", "x"]
    moved = ["fit", "--config", "a.yaml", "--config=b.yaml", "--trainer.max_epochs", "1", "--data.root", "x"]
    assert configs_first(words) == moved


def test_the_verb_comes_first(capsys):
    assert main(["--config", "a.yaml", "fit"]) == 2
    assert "write the verb first: seemkit fit --config" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--data.help", "CocoDataModule"], ["--config", str(FINETUNE), "--help"]])
def test_help_shows_the_options_of_the_data(words, capsys):
    with contextlib.suppress(SystemExit):
        main(["fit", *words])
    printed = capsys.readouterr().out
    assert "--data.short_side" in printed
    assert "--data.batch_size" in printed


def test_help_says_how_to_see_the_options_of_the_data(capsys):
    main(["fit", "--help"])
    assert "--data.help NAME with CocoDataModule" in capsys.readouterr().out


def test_help_of_a_callback(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--trainer.callbacks.help=InteractiveEvaluation"])
    assert "--trainer.callbacks.clicks" in capsys.readouterr().out


def test_a_test_of_a_last_checkpoint_that_is_not_there(scenes, tmp_path, capsys):
    words = ["--config", str(FINETUNE), "--data.root", str(scenes), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["test", *words, "--ckpt_path", "last"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"seemkit: --ckpt_path last: {tmp_path}")
    assert "has no last checkpoint" in said
