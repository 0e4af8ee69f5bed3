"""The example of the pages: a kind with weights and a token group of its own, which trains."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from seemkit import SEEM, Point, Session, Text
from seemkit.errors import InputError
from seemkit.losses.group_losses import Targets
from seemkit.losses.weights import LossWeights
from seemkit.plugin import Subject
from seemkit.testing import check_prompt_encoder
from seemkit.training.set_criterion import SetCriterion
from seemkit.training.step_prompts import SampledPrompts
from tests.networks import TINY, VOCABULARY, build, picture

SOURCE = Path(__file__).parents[2] / "docs" / "examples" / "sound.py"
WITH_SOUND = replace(TINY, prompts={"sound": {}})


@pytest.fixture
def example(install) -> ModuleType:
    install("seemkit-sound", SOURCE.read_text(), entry="sound")
    return importlib.import_module("seemkit_sound_plugin")


def sound(example: ModuleType, name: str, seed: int = 0):
    mask = torch.ones(20, 20, dtype=torch.bool)
    return example.SoundEncoder(8).simulate(Subject(mask, name), torch.Generator().manual_seed(seed))[0]


def test_it_keeps_to_the_interface(example):
    words = [",".join("0.5" for _ in range(example.LENGTH))]
    check_prompt_encoder(example.SoundEncoder(8), [sound(example, "star")], words)


def test_a_network_has_its_weights_only_if_asked(example):
    names = {name for name, _ in build(WITH_SOUND).named_parameters() if "sound" in name}
    assert names == {
        f"sampler.encoders.sound.{part}.{kind}" for part in ("token", "pooled") for kind in ("weight", "bias")
    }
    without = build(TINY)
    assert not any("sound" in name for name, _ in without.named_parameters())
    with pytest.raises(InputError, match=r"'sound' has weights, but this network was built without them.*prompts"):
        Session(without, picture(60, 90)).add(sound(example, "star"))


def test_saved_weights_ask_for_the_package(example, tmp_path, monkeypatch):
    build(WITH_SOUND).save(tmp_path / "model")
    assert "sound" in SEEM.from_pretrained(tmp_path / "model").sampler.encoders
    monkeypatch.setenv("SEEMKIT_DISABLE_PLUGINS", "seemkit-sound")
    from seemkit.prompts.registry import installed

    installed.cache_clear()
    with pytest.raises(InputError, match="needs prompt kind 'sound': pip install seemkit-sound"):
        SEEM.from_pretrained(tmp_path / "model")


def test_objects_with_sounds_regions_and_texts_side_by_side(example):
    network = build(WITH_SOUND)
    heard, click = sound(example, "star"), Point(20.5, 10.5)
    with torch.no_grad():
        context = network.encode_image([picture(60, 90)])
        objects = [[heard], [click], [heard, click], [Text("star")], [heard, Text("star")]]
        decoded = network.decode(context, [objects])
        found = network.select(decoded)
        alone = network.select(network.decode(context, [[[heard]]]))
    assert decoded.layers[-1]["visual_query"].masks.shape[1] == 4 * network.queries.copies
    assert found.owners.tolist() == [[0, 1, 2, 3, 4]]
    torch.testing.assert_close(found.masks()[0, 0], alone.masks()[0, 0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found.masks()[0, 1], found.masks()[0, 2], atol=1e-2)


@pytest.mark.slow
def test_it_trains(example):
    """Two things that look alike but for their place and color; only the sound says which is meant."""
    network = build(WITH_SOUND)
    image = picture(64, 96)
    image[:, 10:40, 10:40] = torch.tensor([255, 30, 30], dtype=torch.uint8)[:, None, None]
    image[:, 20:50, 56:86] = torch.tensor([30, 30, 255], dtype=torch.uint8)[:, None, None]
    masks = torch.zeros(1, 2, 64, 96, dtype=torch.bool)
    masks[0, 0, 10:40, 10:40] = masks[0, 1, 20:50, 56:86] = True
    targets = Targets(masks, torch.ones(1, 2, dtype=torch.bool), torch.tensor([[1, 2]]))
    names = ("grass", "star")
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    losses = []
    for step in range(60):
        prompts = [[sound(example, name, seed=step)] for name in names]
        sampled = [SampledPrompts([0, 1], [0, 1], prompts, [], named=False)]
        decoded = network.decode(network.encode_image([image]), [prompts], every_layer=True)
        generators = [torch.Generator().manual_seed(step)]
        found = SetCriterion(network, LossWeights(points=200), network.embed_vocabulary(VOCABULARY), generators)(
            decoded, targets, sampled
        )
        loss = torch.stack([term.mean for term in found.values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert {name for name, term in found.items() if term.mean} == {"visual_choice", "visual_bce", "visual_dice"}
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.sampler.kind("sound").parameters())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    session = Session(network, image)
    for name, truth in zip(names, masks[0].bool(), strict=True):
        mask = session.predict(sound(example, name, seed=1000)).mask
        assert int((mask & truth).sum()) / int((mask | truth).sum()) > 0.8
