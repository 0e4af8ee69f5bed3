"""``seemkit fit | validate | test | predict``: Lightning's command line over `SeemModule` and a data module."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from jsonargparse import ArgumentError, Namespace, get_loader, set_loader
from lightning import LightningDataModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seemkit.callbacks.report.report import Report
from seemkit.cli import class_help, early_checks
from seemkit.cli.earlier_names import current_names
from seemkit.cli.given import HELP
from seemkit.cli.parser_messages import explained
from seemkit.cli.threads import set_threads
from seemkit.cluster import lost_rank
from seemkit.cluster.lightning_adapter import ParseOnly, is_first_process, option_names
from seemkit.cluster.requeue import Requeue, Stopped, requeue, slurm_job
from seemkit.cluster.signals import StopRequest
from seemkit.errors import InputError
from seemkit.training.module import SeemModule

NOISE = (
    "does not have many workers",
    "LightningCLI's args parameter",
    "treespec, LeafSpec",
    "logging interval",
    "command is available on your system but is not used",  # a run outside srun is intended
    "exists and is not empty",  # when a run resumes
    "It is recommended to use `self.log",  # metrics are already reduced over the processes
    "WeightAveraging doesn't support",
    "Previous log files in this directory will be deleted",  # `seemkit.cluster.csv_logger.CSVLogger` keeps them
    "was called before the",  # the metric of phrases, in data without phrases
)
"""Parts of Lightning's warnings that do not concern users of seemkit."""

_VERB = {"parser_mode": "omegaconf+", "exit_on_error": False}
Line = TypeVar("Line", bound="SeemCLI")

_CONFIG = "seemkit"
set_loader(_CONFIG, lambda text: current_names(get_loader("yaml")(text)), exceptions=(yaml.YAMLError,))
PARSER: dict[str, Any] = {
    "exit_on_error": False,
    "allow_abbrev": False,  # a misspelled option must not pass for another one
    "parser_mode": _CONFIG,
    **dict.fromkeys(LightningCLI.subcommands(), _VERB),
}
"""Settings of the parsers. Configurations are YAML and can have names of earlier versions. The parsers of the verbs
leave ``${...}`` unresolved; `SeemCLI` resolves it after all overrides.
"""

UNKNOWN_FAULT = "another process of this run has ended or no longer answers"

UNWRITABLE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip
"""Error numbers of a run folder that cannot be written."""

NO_NEWS = (
    "litlogger",
    "available: False",
    "`weights_only` was not set",
    "SLURM auto-requeueing enabled",  # `Requeue` does it instead
)
"""Parts of Lightning's log lines that are useless or wrong."""
SPEAKERS = ("utilities.rank_zero", "trainer.connectors.signal_connector")
"""Modules of Lightning that log these lines."""


class SeemCLI(LightningCLI):
    """Lightning's command line, with a test after each fit, so that a run ends with its table of results."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that the trainer lacks."""
        said = "threads of the CPU; 0 for the processors that may be used"
        parser.add_argument("--threads", type=int, default=0, help=said)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse the arguments, and check the checkpoint before anything is built.

        Raises:
            InputError: an argument or the configuration is wrong, or the checkpoint is not readable.
        """
        try:
            super().parse_arguments(parser, args)
            self._resolve()
        except (ArgumentError, OmegaConfBaseException) as error:
            raise InputError(explained(_one_line(str(error)), option_names(self))) from error
        set_threads(self.settings.threads or None)
        checkpoint = self.settings.get("ckpt_path")
        if checkpoint and checkpoint not in {"best", "last", "hpc", "registry"}:
            early_checks.check_checkpoint(Path(checkpoint))

    @property
    def settings(self) -> Namespace:
        """Settings of the verb."""
        settings: Namespace = self.config[str(self.config.subcommand)]
        return settings

    def instantiate_classes(self) -> None:
        """Build trainer, module and data module.

        Raises:
            InputError: a setting is out of its range, data is missing, or a frozen part would stay random.
        """
        try:
            early_checks.check(self.settings, str(self.config.subcommand))
            super().instantiate_classes()
        except ValueError as error:
            if isinstance(error.__cause__, InputError):  # jsonargparse adds what else it tried
                raise error.__cause__ from None
            raise

    def _resolve(self) -> None:
        """Replace every ``${key}`` by the value of that key in the configuration."""
        verb = str(self.config.subcommand)
        parser = self._parser(verb)
        text = parser.dump(self.config[verb], skip_unset=False, skip_validation=True)
        if "${" in text:
            self.config[verb] = parser.parse_object(OmegaConf.to_container(OmegaConf.create(text), resolve=True))

    def before_test(self) -> None:
        """Leave the results to `Report`, if the run has one: its table has their names in words."""
        if any(isinstance(callback, Report) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            self.config_init["test"]["verbose"] = False

    def before_predict(self) -> None:
        """Drop predictions after `PredictionWriter` has written them, so that memory does not grow."""
        self.config_init["predict"]["return_predictions"] = False

    def after_fit(self) -> None:
        """Test the trained network on the test split, unless the fit was interrupted or a `fast_dev_run`."""
        if not self.trainer.interrupted and not getattr(self.trainer, "fast_dev_run", 0):
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)


def run(arguments: Sequence[str]) -> None:
    """Run one of Lightning's verbs.

    Raises:
        InputError: the configuration, a file or the data is invalid, the run folder cannot be written, or another
            process of the run is lost.
        SystemExit: a signal stopped the run; the code is 0 if its SLURM job is requeued.
    """
    # For weights without a gradient, Adam's averages decay into denormal numbers, which are up to 100 times slower on
    # CPUs. Threads inherit the setting, so it must come before the first thread.
    torch.set_flush_denormal(True)
    words = class_help.with_full_names(arguments)
    if not HELP.isdisjoint(words):
        _help(words)
        return
    try:
        _start(SeemCLI, words)
    except Stopped as stopped:
        sys.exit(_end(stopped))
    except SIGTERMException:  # outside a fit, where Lightning would exit with 0, as after success
        sys.exit(128 + signal.SIGTERM)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(
            f"{error.filename or 'run folder'}: cannot be written ({error.strerror}); make room or choose another "
            "--trainer.default_root_dir. Existing checkpoints are complete; resume from one with --ckpt_path"
        ) from error
    except RuntimeError as error:
        if not lost_rank.is_lost(error):
            raise
        fault = next(iter(getattr(error, "__notes__", ())), UNKNOWN_FAULT)
        raise InputError(
            f"{fault}; see the last lines of its log. Resume from the last checkpoint with --ckpt_path last. "
            f"({_one_line(str(error))[:200]})"
        ) from error


def _help(words: Sequence[str]) -> None:
    """Print the help of a verb, and that of the class of the data if the command line names one."""
    commands = class_help.commands(words)
    for command in commands:
        with suppress(SystemExit):
            _start(SeemCLI, command)
    if len(commands) == 1:
        print(f"\n{class_help.hint()}")  # noqa: T201


def configs_first(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with every ``--config FILE`` right after the verb.

    The parser reads them in order, so a configuration would otherwise replace the options in front of it.
    """
    configs: list[str] = []
    others: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        if word == "--config":
            configs += [word, *([value] if (value := next(rest, None)) is not None else [])]
        else:
            (configs if word.startswith("--config=") else others).append(word)
    return [*words[:1], *configs, *others]


def read(arguments: Sequence[str]) -> Namespace:
    """Return the settings of a command line, checked as in `run`, without building anything.

    Raises:
        InputError: the configuration is invalid.
    """
    return _start(_SettingsCLI, arguments).settings


class _SettingsCLI(ParseOnly, SeemCLI):
    """Command line that is only parsed."""


def _start(command_line: type[Line], arguments: Sequence[str]) -> Line:
    for message in NOISE:
        warnings.filterwarnings("ignore", message=f".*{message}.*")
    for speaker in SPEAKERS:
        logging.getLogger(f"lightning.pytorch.{speaker}").addFilter(_is_news)
    return command_line(
        SeemModule,
        LightningDataModule,
        subclass_mode_data=True,
        trainer_class=Trainer,
        trainer_defaults={
            "use_distributed_sampler": False,
            "num_nodes": _nodes(),
            "callbacks": Requeue(),
            "enable_model_summary": False,
        },
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        parser_kwargs=PARSER,
        args=list(arguments),
    )


def _end(stopped: Stopped) -> int:
    """Return the exit code of a run that a signal stopped; requeue its SLURM job if the signal asked for it.

    All processes of a requeued job must exit with 0; otherwise `srun -K1` ends the first one before it calls SLURM.

    Raises:
        InputError: SLURM does not requeue the job.
    """
    first = is_first_process()
    # without a checkpoint the job would start over each time
    job = slurm_job() if stopped.request is StopRequest.REQUEUE and stopped.saved is not None else None
    if first:
        saved = f"saved {stopped.saved}" if stopped.saved else "nothing saved: the run has no ModelCheckpoint"
        print(f"seemkit: stopped by {stopped.request.signal.name}, {saved}", file=sys.stderr, flush=True)  # noqa: T201
    if job is not None and first:
        # printed first, because SLURM may end this process at once
        print(f"seemkit: requeueing job {job}", file=sys.stderr, flush=True)  # noqa: T201
        try:
            requeue(job)
        except OSError as error:
            raise InputError(f"{error}; submit the job again with --ckpt_path last") from error
    return 0 if job is not None else int(stopped.code or 0)


def _nodes() -> int:
    """Return the number of nodes on which torchrun or srun started this run; 1 without them."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["GROUP_WORLD_SIZE"])
    return int(os.environ.get("SLURM_STEP_NUM_NODES", "1")) if "SLURM_PROCID" in os.environ else 1


def _one_line(message: str) -> str:
    """Return the message in one line of at most 2000 characters."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines)[:2000]


def _is_news(record: logging.LogRecord) -> bool:
    return not any(part in record.getMessage() for part in NO_NEWS)
