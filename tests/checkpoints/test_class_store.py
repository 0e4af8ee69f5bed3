"""Class vectors that outlive the process."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from seemkit.checkpoints import cache
from seemkit.checkpoints.class_store import ClassStore
from seemkit.model.seem import SEEM
from seemkit.nn.language import LanguageTower
from seemkit.types import Vocabulary

NAMES, TEMPLATES = ("star", "ring"), ("{}.", "a photo of a {}.")


def tower(seed: int = 0) -> LanguageTower:
    torch.manual_seed(seed)
    return LanguageTower(16, 1, 2, 12).eval()


def computed(store: ClassStore, own: LanguageTower, names: tuple[str, ...] = NAMES) -> list[str]:
    """Fill a tower from the store, and return the names that it had to compute."""
    asked: list[str] = []
    inner = own._name_vectors
    own._name_vectors = lambda names, *more: (asked.extend(names), inner(names, *more))[1]
    store.fill(own, names, TEMPLATES)
    return asked


def test_only_new_names_are_computed(tmp_path: Path) -> None:
    store, first = ClassStore(tmp_path / "classes"), tower()
    assert computed(store, first) == ["star", "ring", "background"]
    assert computed(store, first) == []
    assert computed(store, second := tower(), ("ring", "tree")) == ["tree"]
    assert computed(store, third := tower(), ("tree", "star", "ring")) == []
    with torch.no_grad():
        wanted = tower().embed_classes(("tree", "star", "ring"), TEMPLATES)
        assert torch.equal(third.embed_classes(("tree", "star", "ring"), TEMPLATES), wanted)
        assert torch.equal(second.embed_classes(("ring",), TEMPLATES)[0], wanted[2])


def test_vectors_of_other_weights_types_or_templates_are_not_used(tmp_path: Path) -> None:
    store = ClassStore(tmp_path)
    computed(store, tower())
    for other in (tower(seed=1), tower().double()):
        assert computed(store, other) == ["star", "ring", "background"]
    fresh = tower()
    store.fill(fresh, NAMES, ("{}",))
    assert fresh.unknown(NAMES, TEMPLATES)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    store = ClassStore(tmp_path)
    computed(store, tower())
    for content in (b"", b"nothing"):
        damaged = sorted(tmp_path.glob("*/*.safetensors"))[0]
        damaged.write_bytes(content)
        assert len(computed(store, tower())) == 1
        assert computed(store, tower()) == []


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    store, own = ClassStore(tmp_path / "file" / "classes"), tower()
    assert len(computed(store, own)) == 3
    assert own.unknown(NAMES, TEMPLATES) == []

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert len(computed(ClassStore(tmp_path / "classes"), tower())) == 3
    assert not list(tmp_path.glob("classes/*/*"))


def test_vectors_are_computed_without_autocast(tmp_path: Path) -> None:
    store, own = ClassStore(tmp_path), tower()
    with torch.autocast("cpu", torch.bfloat16):
        computed(store, own)
    with torch.no_grad():
        assert torch.equal(own.embed_classes(NAMES, TEMPLATES), tower().embed_classes(NAMES, TEMPLATES))


def test_a_network_with_pretrained_weights_keeps_them(
    tiny_network: SEEM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))
    tiny_network.save(tmp_path / "model")
    words = Vocabulary(("a new name",), (True,))
    with torch.no_grad():
        SEEM.from_pretrained(tmp_path / "model").embed_vocabulary(words)
        assert not (tmp_path / "cache").exists()  # a small tower computes them in a moment
        monkeypatch.setattr(cache, "LARGE", 1)
        SEEM.from_pretrained(tmp_path / "model").embed_vocabulary(words)
        again = SEEM.from_pretrained(tmp_path / "model")
        monkeypatch.setattr(again.language, "_name_vectors", None)
        torch.testing.assert_close(again.embed_vocabulary(words), tiny_network.embed_vocabulary(words))
