from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from seemkit.errors import InputError
from seemkit.io.tensor_file import read_tensors

TENSORS = {"b.weight": torch.ones(2), "a.bias": torch.zeros(3)}


def same(found: dict[str, torch.Tensor]) -> bool:
    return list(found) == list(TENSORS) and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_state_dict", "module"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_tensors_of_trainers(tmp_path: Path, wrapper: str | None, prefix: str) -> None:
    content = {prefix + name: tensor for name, tensor in TENSORS.items()}
    torch.save(content if wrapper is None else {"epoch": 3, wrapper: content}, tmp_path / "a.pt")
    assert same(read_tensors(tmp_path / "a.pt"))


def test_safetensors(tmp_path: Path) -> None:
    safetensors.torch.save_file(TENSORS, tmp_path / "a.safetensors")
    assert read_tensors(tmp_path / "a.safetensors").keys() == TENSORS.keys()


def test_a_prefix_of_some_names_stays(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "a.pt")
    assert list(read_tensors(tmp_path / "a.pt")) == ["module.a", "b"]


class Harmful:
    def __reduce__(self) -> object:
        return (Path.touch, (Path("harm"),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "damaged or not a checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer, not the weights"),
        (b"\n<!DOCTYPE html>\n<html></html>", "a web page, not a file of weights; download it again"),
        (b"<html>sign in</html>", "a web page"),
        (pickle.dumps(Harmful()), "not a file of plain tensors"),
        (pickle.dumps(np.ones(3)), "not a file of plain tensors"),
        ({"a": Harmful()}, "not a file of plain tensors"),
        ({}, "holds an empty state dict"),
        ({"a": torch.ones(1), "epoch": 3}, "key 'epoch' is not a tensor"),
        ([torch.zeros(2)], "holds no state dict, but a list"),
    ],
)
def test_files_without_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, message: str) -> None:
    """The message is one line, without torch's advice to load unsafely and without escape codes."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=rf"a\.pt: {message}") as caught:
        read_tensors(path)
    assert str(caught.value).isprintable()
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(100)}, tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:-60])
    (tmp_path / "a.safetensors").write_bytes(safetensors.torch.save({"a": torch.ones(100)})[:-60])
    for name in ("a.pt", "a.safetensors"):
        with pytest.raises(InputError, match=rf"{name}: damaged or not a checkpoint"):
            read_tensors(tmp_path / name)
