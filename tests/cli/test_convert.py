from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seemkit.checkpoints import variants
from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.cli.main import main
from seemkit.model.seem import SEEM
from tests.checkpoints.official_names import SMALL, state_dict

XDECODER_LACKS = ("spatial_embed", "spatial_featured", "pn_indicator", "mask_sptial_embed")


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    """The published model is a small one here, of the same form."""
    monkeypatch.setitem(variants.VARIANTS, "focal-t-v1", SMALL)
    monkeypatch.setattr("seemkit.checkpoints.official._WIDTHS", {("focal", 8): "focal-t"})


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    torch.save(state_dict(SMALL), tmp_path / "seem.pt")
    return tmp_path / "seem.pt"


@pytest.fixture
def xdecoder(tmp_path) -> Path:
    tensors = {name: value for name, value in state_dict(SMALL).items() if not any(w in name for w in XDECODER_LACKS)}
    tensors["sem_seg_head.predictor.caping_embed"] = torch.zeros(32, 32)
    tensors["backbone_proj"] = torch.zeros(32, 32)
    torch.save(tensors, tmp_path / "xdecoder.pt")
    return tmp_path / "xdecoder.pt"


@pytest.mark.parametrize("variant", [[], ["--variant", "focal-t-v1"]], ids=["guessed", "given"])
def test_official(checkpoint, tmp_path, capsys, variant):
    assert main(["convert", "official", str(checkpoint), str(tmp_path / "out"), *variant]) == 0
    said = capsys.readouterr().out
    assert "focal-t-v1" in said
    assert ("v1 is assumed" in said) is (not variant)
    network = SEEM.from_pretrained(tmp_path / "out")
    assert network.vocabulary == COCO_PANOPTIC
    expected = state_dict(SMALL)["sem_seg_head.predictor.query_feat.weight"]
    assert torch.equal(network.queries.value.weight, expected)


def test_straight_from_the_file(checkpoint, tmp_path):
    assert main(["convert", "official", str(checkpoint), str(tmp_path / "out")]) == 0
    direct, converted = SEEM.from_pretrained(checkpoint), SEEM.from_pretrained(tmp_path / "out")
    assert all(torch.equal(a, b) for a, b in zip(direct.parameters(), converted.parameters(), strict=True))
    assert not direct.training


def test_weights_can_be_read_by_those_who_can_read_the_architecture(checkpoint, tmp_path):
    main(["convert", "official", str(checkpoint), str(tmp_path / "out")])
    modes = {path.stat().st_mode for path in (tmp_path / "out").iterdir()}
    assert len(modes) == 1


def test_xdecoder(xdecoder, tmp_path, capsys):
    assert main(["convert", "xdecoder", str(xdecoder), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "initialized at random: queries.memory_position.weight, queries.memory_value.weight, sampler." in said
    assert "skipped: backbone_proj, sem_seg_head.predictor.caping_embed" in said
    network = SEEM.from_pretrained(tmp_path / "out")
    expected = state_dict(SMALL)["sem_seg_head.predictor.query_feat.weight"]
    assert torch.equal(network.queries.value.weight, expected)


def test_xdecoder_is_no_seem(xdecoder, tmp_path, capsys):
    assert main(["convert", "official", str(xdecoder), str(tmp_path / "out")]) == 2
    assert "seemkit convert xdecoder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("sem_seg_head.predictor.class_embed"), "missing: decoder.heads.class_projection"),
        (lambda t: t.update({"backbone.extra": torch.ones(1)}), "unknown: backbone.extra"),
        (
            lambda t: t.update({"sem_seg_head.predictor.spatial_embed.weight": torch.ones(7, 32)}),
            "of another shape: queries.memory_position.weight",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_half_matching(tmp_path, capsys, change, message):
    tensors = state_dict(SMALL)
    change(tensors)
    torch.save(tensors, tmp_path / "half.pt")
    assert main(["convert", "official", str(tmp_path / "half.pt"), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'half.pt'}: " in said
    assert message in said
    assert not (tmp_path / "out").exists()


def test_unknown_variant(checkpoint, tmp_path, capsys):
    assert main(["convert", "official", str(checkpoint), str(tmp_path / "out"), "--variant", "focal-s"]) == 2
    assert "variant 'focal-s': unknown; choose from: davit-d3-v1" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(checkpoint, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(["convert", "official", str(checkpoint), str(tmp_path / "out")]) == 2
    assert "cannot write there" in capsys.readouterr().err
