"""``seemkit doctor``: the report of an installation, with what is wrong."""

from __future__ import annotations

import shutil
from collections import namedtuple

import seemkit
from seemkit.cli import doctor
from seemkit.cli.main import main


def test_a_sound_installation(capsys):
    code = main(["doctor"])
    said = capsys.readouterr().out
    for word in (seemkit.__version__, "torch ", "cpu ", "threads", "cache", "scenes-tiny", "photos-tiny", "point"):
        assert word in said
    assert ("nothing wrong was found" in said) == (code == 0)


def test_faults_are_named(monkeypatch, capsys, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1e9))
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    monkeypatch.setenv("SEEMKIT_CACHE", str(tmp_path))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "wrong: no-such-package is not installed; pip install no-such-package" in said
    assert f"wrong: {tmp_path} has 1.0 GB free" in said
