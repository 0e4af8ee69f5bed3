"""Sums over two processes of unequal share equal one process that sees everything."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = Path(__file__).with_name("two_processes.py")


def test_two_processes_equal_one(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, SCRIPT, str(rank), tmp_path / "store", tmp_path / "result"], env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]

    spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    expected = {}
    for name, metric in shared.metrics().items():
        for image in range(shared.IMAGES):
            shared.update(metric, name, image)
        expected[name] = metric.compute()
    alone = shared.metrics()["panoptic"]
    shared.update(alone, "panoptic", 0)
    expected["per_class"] = alone.per_class()
    for rank in range(2):
        result = torch.load(tmp_path / f"result{rank}")
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-12, equal_nan=True)
