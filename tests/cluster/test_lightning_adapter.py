"""What is used of Lightning and torch beyond their public interfaces: each test fails if a library changes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed
from torch.utils.data import DataLoader

from seemkit.cluster import lightning_adapter as adapter


class Line(LightningModule):
    """Fits a line, and notes what the adapter says at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[tuple[int, int]] = []

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        counts = adapter.batch_counts(self.trainer)
        self.seen.append((counts.current.processed, counts.total.processed))
        return self.layer(batch[:, None]).square().mean()

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        self.log("error", self.layer(batch[:, None]).mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)

    def train_dataloader(self) -> DataLoader[float]:
        return DataLoader(torch.arange(3.0), batch_size=1)

    def val_dataloader(self) -> DataLoader[float]:
        return DataLoader(torch.arange(2.0), batch_size=1)


def trainer(folder: Path, every_n_train_steps: int | None = None, **settings) -> Trainer:
    keeper = ModelCheckpoint(folder / "checkpoints", save_last=True, every_n_train_steps=every_n_train_steps)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    return Trainer(default_root_dir=folder, accelerator="cpu", callbacks=[keeper], max_epochs=2, **quiet, **settings)


@pytest.fixture
def fitted(tmp_path: Path) -> Trainer:
    fitted = trainer(tmp_path)
    fitted.fit(Line())
    return fitted


def test_counts_of_batches(fitted):
    assert fitted.lightning_module.seen == [(0, 0), (1, 1), (2, 2), (0, 3), (1, 4), (2, 5)]
    assert adapter.batch_counts(fitted).current.completed == 3


def test_the_loader_gets_its_place_back(fitted, monkeypatch):
    calls = []

    def note(loop: object) -> None:
        calls.append(loop)

    monkeypatch.setattr(type(fitted.fit_loop), "_load_combined_loader_states", note)
    adapter.restore_loader_place(fitted)
    assert calls == [fitted.fit_loop]


def test_loggers_get_the_step_that_is_set(fitted):
    adapter.set_logged_step(fitted, 41)
    assert fitted.fit_loop.epoch_loop._batches_that_stepped == 41
    state = fitted._checkpoint_connector.dump_checkpoint()["loops"]["fit_loop"]["epoch_loop.state_dict"]
    assert state["_batches_that_stepped"] == 41  # it is Lightning's own field, not a new one


def test_timeouts_of_strategies(tmp_path):
    assert adapter.strategy_timeout(trainer(tmp_path)) == timedelta(minutes=30)
    short = trainer(tmp_path, strategy=DDPStrategy(timeout=timedelta(seconds=7)))
    assert adapter.strategy_timeout(short) == timedelta(seconds=7)


@pytest.mark.parametrize("told", [True, False])
def test_a_checkpoint_that_is_set_is_the_last_one(told, tmp_path):
    class Setting(Line):
        def on_train_batch_end(self, *_: object) -> None:
            if told:
                adapter.set_last_checkpoint(self.trainer.checkpoint_callback, "own.ckpt")

    run = trainer(tmp_path, every_n_train_steps=100)
    run.fit(Setting())
    assert run.checkpoint_callback.last_model_path.endswith("own.ckpt" if told else "last.ckpt")
    assert [path.name for path in (tmp_path / "checkpoints").glob("*")] == ([] if told else ["last.ckpt"])


def checkpoint_during(stage: str, tmp_path: Path) -> dict:
    """A checkpoint that is saved during the second batch of a stage."""
    found: list[dict] = []

    class Saving(Line):
        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            if stage == "training" and index == 1:
                found.append(self.trainer._checkpoint_connector.dump_checkpoint())
            return super().training_step(batch, index)

        def validation_step(self, batch: torch.Tensor, index: int) -> None:
            if stage == "validation" and index == 1:
                found.append(self.trainer._checkpoint_connector.dump_checkpoint())

    trainer(tmp_path).fit(Saving())
    return found[0]


def test_a_checkpoint_within_a_batch_is_set_to_before_it(tmp_path):
    checkpoint = checkpoint_during("training", tmp_path)
    counts = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert counts["total"]["ready"] == counts["total"]["processed"] + 1 == 2
    adapter.rewind_batch(checkpoint)
    for part in ("total", "current"):
        assert counts[part]["ready"] == counts[part]["started"] == counts[part]["processed"] == 1


def test_the_place_of_a_loader_is_that_of_the_last_finished_batch():
    loops = {"state_dict": {"combined_loader": [{"epoch": 3, "batches": 5}, {"epoch": 3, "batches": 2}]}}
    checkpoint = {"loops": {"fit_loop": loops}}
    adapter.rewind_loaders(checkpoint, 4)
    assert [loader["batches"] for loader in loops["state_dict"]["combined_loader"]] == [4, 2]


def test_loaders_with_a_state_are_in_the_checkpoint_where_it_is_looked_for(tmp_path):
    class Counting(DataLoader):
        def state_dict(self) -> dict[str, int]:
            return {"batches": 7}

        def load_state_dict(self, state: dict[str, int]) -> None:
            raise AssertionError

    module = Line()
    module.train_dataloader = lambda: Counting(torch.arange(3.0), batch_size=1)
    run = trainer(tmp_path)
    run.fit(module)
    checkpoint = run._checkpoint_connector.dump_checkpoint()
    adapter.rewind_loaders(checkpoint, 2)
    assert checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [{"batches": 2}]


def test_a_checkpoint_within_a_validation_is_set_to_its_first_batch(tmp_path):
    checkpoint = checkpoint_during("validation", tmp_path)
    counts = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    assert counts["current"]["completed"] == 1
    adapter.rewind_validation(checkpoint)
    assert counts["current"] | {"completed": 0, "processed": 0, "ready": 1, "started": 1} == counts["current"]
    assert counts["total"] | {"completed": 0, "processed": 0, "ready": 1, "started": 1} == counts["total"]


def test_the_first_process_is_the_one_that_writes():
    assert adapter.is_first_process()


def test_the_store_at_which_processes_met(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        store = adapter.meeting_store()
        store.set("greeting", "here")
        assert adapter.meeting_store().get("greeting") == b"here"
    finally:
        distributed.destroy_process_group()


def test_the_processor_says_whether_it_multiplies_bfloat16():
    expected = {"avx512_bf16", "amx_bf16"}
    flags = Path("/proc/cpuinfo")
    if not flags.is_file():
        pytest.skip("no /proc/cpuinfo on this machine")
    if adapter.cpu_multiplies_bfloat16():
        assert expected & set(flags.read_text().split())


def test_a_command_line_is_only_parsed(tmp_path, monkeypatch):
    class Parsed(adapter.ParseOnly, LightningCLI):
        pass

    class Never(Line):
        def __init__(self, width: int = 1) -> None:
            raise AssertionError("is not to be built")

    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("is not to be run"))
    found = Parsed(Never, args=["fit", "--model.width", "3", "--trainer.max_steps", "5"], save_config_callback=None)
    assert (found.config.fit.model.width, found.config.fit.trainer.max_steps) == (3, 5)
