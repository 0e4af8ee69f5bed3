from __future__ import annotations

from statistics import median

import pytest
import torch

from seemkit.data.scenes.writer import write_scenes
from seemkit.errors import InputError
from seemkit.inference.session import Session
from seemkit.model.precision import bfloat16_is_fast, choose_dtype
from seemkit.model.seem import SEEM
from seemkit.prompts.values import Point, Text
from tests.networks import TINY, build

CPU = torch.device("cpu")


def test_auto_is_what_the_device_is_good_at(monkeypatch):
    assert choose_dtype("float32", CPU) == torch.float32
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    for fast, kind in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("seemkit.model.precision.bfloat16_is_fast", lambda _, fast=fast: fast)
        assert choose_dtype("auto", CPU) == kind
    assert not bfloat16_is_fast(torch.device("mps"))
    with pytest.raises(InputError, match="dtype: 'int8'; expected one of auto, float32, bfloat16"):
        choose_dtype("int8", CPU)


def test_devices_that_are_not_there():
    with pytest.raises(InputError, match="device: 'cuda:77' is not available"):
        SEEM.from_pretrained("scenes-tiny", device="cuda:77")


def test_compiled_parts_keep_the_names_of_weights():
    network = build(TINY)
    before = network.state_dict()
    parts = (network.backbone, network.pixel_decoder, network.decoder)
    assert not any(part._compiled_call_impl for part in parts)
    network.compile_parts()
    assert all(part._compiled_call_impl for part in parts)
    assert list(network.state_dict()) == list(before)
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in build(TINY).named_parameters()]


def test_half_precision_finds_nearly_the_same(tmp_path):
    """With the shipped model; a mask edge may move by a pixel, a score may cross its threshold."""
    write_scenes(tmp_path, {"test": 4}, seed=0, size=128)
    full, half = (SEEM.from_pretrained("scenes-tiny", dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert half.dtype == torch.bfloat16
    overlaps = []
    for file in sorted((tmp_path / "test").iterdir()):
        sessions = [Session(network, file) for network in (full, half)]
        segments = sessions[0].panoptic()
        for prompts in ([Text(segments[0].label)], *([Point(*center(segment.mask))] for segment in segments)):
            first, second = (session.predict(*prompts) for session in sessions)
            overlaps.append(float((first.mask & second.mask).sum() / (first.mask | second.mask).sum()))
            assert second.logits.dtype == torch.float32
    assert median(overlaps) > 0.99
    assert sum(overlap > 0.9 for overlap in overlaps) > 0.8 * len(overlaps)


def center(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) of the pixel in the middle of all its pixels, in their order."""
    y, x = mask.nonzero()[int(mask.sum()) // 2].tolist()
    return x + 0.5, y + 0.5
