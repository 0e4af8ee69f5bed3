from __future__ import annotations

import huggingface_hub
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from seemkit.checkpoints import variants
from seemkit.checkpoints.find import find
from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from tests.checkpoints.official_names import SMALL, state_dict


def test_a_folder(tiny_network, tmp_path):
    tiny_network.save(tmp_path / "model")
    found = find(tmp_path / "model")
    assert found.architecture == tiny_network.architecture
    assert found.tensors.keys() == tiny_network.state_dict().keys()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such folder or file"),
        ("a/b/c", "no such folder or file"),
        ("model.pt", "model.pt: no such file"),
    ],
)
def test_nothing_there(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        find(source)


def test_a_variant_of_an_own_folder(tiny_network, tmp_path):
    tiny_network.save(tmp_path / "model")
    with pytest.raises(InputError, match="only for checkpoints of the official code"):
        find(tmp_path / "model", "focal-t-v1")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that hands out the files of a folder."""
    asked = []

    def download(repository: str, name: str) -> str:
        asked.append((repository, name))
        if not (tmp_path / name).is_file():
            raise LocalEntryNotFoundError("cannot find it")
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_an_official_file_of_the_hub(hub, monkeypatch, tmp_path):
    monkeypatch.setitem(variants.VARIANTS, "focal-t-v1", SMALL)
    torch.save(state_dict(SMALL), tmp_path / "seem_focalt_v1.pt")
    network = SEEM.from_pretrained("xdecoder/SEEM", "focal-t-v1")
    assert hub == [("xdecoder/SEEM", "seem_focalt_v1.pt")]
    assert network.architecture == SMALL


def test_an_own_folder_of_the_hub(hub, tiny_network, tmp_path):
    tiny_network.save(tmp_path)
    network = SEEM.from_pretrained("someone/small-seem")
    assert [name for _, name in hub] == ["architecture.yaml", "model.safetensors"]
    assert network.architecture == tiny_network.architecture


def test_offline(hub):
    with pytest.raises(InputError, match=r"xdecoder/SEEM: seem_focalt_v1\.pt: not in the local cache.*local folder"):
        find("xdecoder/SEEM", "focal-t-v1")


def test_the_official_repository_holds_several_models(hub):
    with pytest.raises(InputError, match=r"xdecoder/SEEM: holds several models; give a variant: focal-t-v0"):
        find("xdecoder/SEEM")
    assert hub == []


def test_an_unpublished_variant(hub):
    with pytest.raises(InputError, match="no file of variant 'davit-d3-v1' is published"):
        find("xdecoder/SEEM", "davit-d3-v1")
    assert hub == []


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors_with_official_names(monkeypatch, tmp_path, prefix):
    monkeypatch.setitem(variants.VARIANTS, "focal-t-v1", SMALL)
    tensors = {prefix + name: tensor for name, tensor in state_dict(SMALL).items()}
    safetensors.torch.save_file(tensors, tmp_path / "seem.safetensors")
    assert SEEM.from_pretrained(tmp_path / "seem.safetensors", "focal-t-v1").architecture == SMALL
