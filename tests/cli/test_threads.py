from __future__ import annotations

import os

import pytest
import torch

from seemkit.cli.threads import set_threads, sleep_while_waiting, usable_processors
from seemkit.errors import InputError

SEEN = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("quota", "usable"), [("max 100000", SEEN), ("150000 100000", min(SEEN, 2)), ("20000 100000", 1)]
)
def test_the_share_of_a_container(quota, usable, tmp_path):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_processors(tmp_path) == usable


@pytest.mark.parametrize(("quota", "usable"), [("-1\n", SEEN), ("100000\n", 1)])
def test_the_first_version_of_control_groups(quota, usable, tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_processors(tmp_path) == usable


def test_no_share_is_known(tmp_path):
    assert usable_processors(tmp_path) == SEEN


def test_threads(monkeypatch):
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        set_threads(None)
        assert torch.get_num_threads() == 1
        with pytest.raises(InputError, match=r"--threads 0: use at least 1"):
            set_threads(0)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("given", [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_threads_sleep_soon_unless_the_user_decided(given, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    sleep_while_waiting()
    assert os.environ.get("GOMP_SPINCOUNT") == given.get("GOMP_SPINCOUNT", None if given else "10000")
