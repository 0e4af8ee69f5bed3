"""Calls that newcomers try."""

from __future__ import annotations

import pytest
import torch

from seemkit import SEEM
from seemkit.checkpoints.find import find
from seemkit.errors import InputError


def test_the_message_has_the_right_call(tiny_network):
    with pytest.raises(InputError, match=r"call SEEM\.from_pretrained\('scenes-tiny'\)"):
        SEEM("scenes-tiny")
    with pytest.raises(InputError, match=r"Session\(model, image\)\.predict"):
        tiny_network(torch.zeros(3, 64, 64))


def test_a_name_in_a_folder_that_exists_is_local(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="runs/typo: no such folder or file"):
        find("runs/typo")
