from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from seemkit.checkpoints.format import ARCHITECTURE, CLASSES, WEIGHTS, build_filled
from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from tests.networks import TINY, VOCABULARY, picture


@pytest.fixture
def folder(tiny_network: SEEM, tmp_path: Path) -> Path:
    tiny_network.save(tmp_path / "model")
    return tmp_path / "model"


def change(folder: Path, **changes: torch.Tensor | None) -> None:
    """Saved tensors replaced, added or (None) removed; a name's dots are written as two underscores."""
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name.replace("__", ".")]
        else:
            tensors[name.replace("__", ".")] = tensor
    safetensors.torch.save_file(tensors, folder / WEIGHTS)


def error(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        SEEM.from_pretrained(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_round_trip(network, tmp_path: Path):
    network.save(tmp_path / "a" / "b")
    loaded = SEEM.from_pretrained(str(tmp_path / "a" / "b"))
    assert not loaded.training
    assert loaded.architecture == network.architecture
    assert loaded.vocabulary == VOCABULARY
    before, after = network.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {type(p) for p in loaded.architecture.backbone_levels} == {int}
    with torch.no_grad():
        decoded = [n.decode(n.encode_image([picture(64, 64)]), objects=True) for n in (network, loaded)]
    assert torch.equal(*(d.masks("object_query") for d in decoded))
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == [ARCHITECTURE, CLASSES, WEIGHTS]


def test_without_a_vocabulary(tmp_path: Path):
    with torch.random.fork_rng(devices=[]):
        SEEM(TINY).save(tmp_path)
    assert SEEM.from_pretrained(tmp_path).vocabulary is None


def test_saving_again_replaces(folder, field_network):
    field_network.save(folder)
    assert SEEM.from_pretrained(folder).architecture == field_network.architecture


@pytest.mark.parametrize("name", [ARCHITECTURE, WEIGHTS])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    assert error(folder).startswith(f"{folder / name}: no such file")


def test_a_missing_folder(tmp_path):
    assert error(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'}: no such folder or file")


def test_a_folder_without_a_model(tmp_path):
    assert error(tmp_path).startswith(f"{tmp_path / ARCHITECTURE}: no such file")


def test_a_missing_key(folder):
    change(folder, decoder__heads__norm__weight=None)
    message = error(folder)
    assert message.startswith(f"{folder / WEIGHTS}: ")
    assert "missing: decoder.heads.norm.weight" in message


def test_an_unknown_key(folder):
    change(folder, decoder__extra=torch.zeros(1))
    message = error(folder)
    assert message.startswith(f"{folder / WEIGHTS}: ")
    assert "unknown: decoder.extra" in message


def test_a_wrong_shape(folder):
    change(folder, decoder__heads__norm__weight=torch.zeros(7))
    message = error(folder)
    assert message.startswith(f"{folder / WEIGHTS}: ")
    assert "of another shape: decoder.heads.norm.weight" in message


def test_weights_of_a_larger_network(folder):
    content = yaml.safe_load((folder / ARCHITECTURE).read_text())
    content["architecture"]["decoder_layers"] = 6
    (folder / ARCHITECTURE).write_text(yaml.safe_dump(content))
    message = error(folder)
    assert "missing: decoder.layers.4." in message
    assert message.endswith(" more")


@pytest.mark.parametrize("keep", [0, 4, 100, -8])
def test_a_truncated_file(folder, keep):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    assert error(folder).startswith(f"{path}: not a readable safetensors file")


def test_no_safetensors(folder):
    torch.save({"a": 1}, folder / WEIGHTS)
    assert error(folder).startswith(f"{folder / WEIGHTS}: not a readable safetensors file")


def test_an_unknown_key_of_the_architecture(folder):
    content = yaml.safe_load((folder / ARCHITECTURE).read_text())
    content["architecture"]["depth"] = 3
    (folder / ARCHITECTURE).write_text(yaml.safe_dump(content))
    message = error(folder)
    assert message.startswith(f"{folder / ARCHITECTURE}: unknown key 'depth'; known keys: ")
    assert "decoder_layers" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a list",
        "vocabulary: {names: [a], things: [true]}",
        "architecture: [1, 2",
        "architecture: 3",
        "architecture:",
        "architecture: {}\nvocabulary: {names: [a, b], things: [true]}",
        "architecture: {}\nvocabulary: {names: [a]}",
        "architecture: {}\nvocabulary: 7",
    ],
)
def test_a_broken_architecture(folder, text):
    (folder / ARCHITECTURE).write_text(text)
    assert error(folder).startswith(f"{folder / ARCHITECTURE}: ")


def test_an_architecture_that_is_no_text(folder):
    (folder / ARCHITECTURE).write_bytes(b"\xff\xfe\x00\x81")
    assert error(folder).startswith(f"{folder / ARCHITECTURE}: ")


def test_a_prompt_kind_that_is_not_installed(folder):
    content = yaml.safe_load((folder / ARCHITECTURE).read_text())
    content["architecture"]["prompts"]["lasso"] = {"side": 1}
    (folder / ARCHITECTURE).write_text(yaml.safe_dump(content))
    assert "'lasso' is not installed" in error(folder)


def test_architecture_as_plain_data():
    changed = replace(TINY, templates=("a {}",), prompts={"point": {"side": 5}})
    plain = yaml.safe_load(yaml.safe_dump(changed.to_dict()))
    assert Architecture.from_dict(plain) == changed
    with pytest.raises(InputError, match=r"my\.yaml: unknown key 'color'"):
        Architecture.from_dict({"color": 1}, "my.yaml")


def test_class_vectors_come_with_the_weights(tiny_network, folder, monkeypatch):
    with torch.no_grad():
        expected = tiny_network.embed_vocabulary(VOCABULARY)
        loaded = SEEM.from_pretrained(folder)
        monkeypatch.setattr(loaded.language, "transformer", None)  # computing them would fail
        torch.testing.assert_close(loaded.embed_vocabulary(VOCABULARY), expected)


def test_class_vectors_of_other_names_are_not_used(folder):
    content = yaml.safe_load((folder / ARCHITECTURE).read_text())
    content["vocabulary"]["names"] = ["sea", "sand", "ring"]
    (folder / ARCHITECTURE).write_text(yaml.safe_dump(content))
    loaded = SEEM.from_pretrained(folder)
    with torch.no_grad():
        found = loaded.embed_vocabulary(loaded.vocabulary)
        loaded.language.forget_classes()
        torch.testing.assert_close(found, loaded.embed_vocabulary(loaded.vocabulary))


def test_broken_class_vectors(folder):
    (folder / CLASSES).write_bytes(b"nothing")
    assert f"{CLASSES}: not a readable file of class vectors; remove it" in error(folder)


def test_old_class_vectors_do_not_outlive_their_weights(tiny_network, folder):
    other = SEEM(TINY)
    other.save(folder)
    assert not (folder / CLASSES).exists()


def test_a_network_with_weights_is_built_without_drawing_first_ones():
    drawn = SEEM(TINY)
    network = build_filled(lambda: SEEM(TINY), drawn.state_dict(), "here")
    for name, tensor in drawn.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert network.queries.value.weight.requires_grad
    layer, before = torch.nn.Linear(3, 3), torch.random.get_rng_state()
    build_filled(lambda: torch.nn.Linear(3, 3), layer.state_dict(), "here")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.zeros(3).normal_().any()  # outside of it, numbers are drawn as usual


class Table(torch.nn.Linear):
    """A layer that computes tensors beside its weights."""

    def __init__(self, kept: bool) -> None:
        super().__init__(3, 3)
        positions = torch.arange(3.0)
        if kept:
            self.register_buffer("positions", positions, persistent=False)
        else:
            self.positions = positions


@pytest.mark.parametrize("kept", [True, False])
def test_tensors_that_no_file_holds_are_computed(kept):
    drawn = Table(kept)
    network = build_filled(lambda: Table(kept), drawn.state_dict(), "here")
    assert torch.equal(network.weight, drawn.weight)
    assert network.positions.tolist() == [0, 1, 2]


def test_weights_of_another_network_are_refused():
    with pytest.raises(InputError, match="here: weights of another architecture; missing: weight"):
        build_filled(lambda: torch.nn.Linear(3, 3), {"bias": torch.zeros(3)}, "here")
