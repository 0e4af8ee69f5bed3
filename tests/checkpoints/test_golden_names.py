"""Names and sizes of the published models against the official lists."""

from __future__ import annotations

import json

import pytest
import torch

from seemkit.checkpoints.official import architecture_of, guess_variant, rename
from seemkit.model.seem import SEEM

CONFIGS = {
    "focalt_unicl_lang_v0": "focal-t-v0",
    "focalt_unicl_lang_v1": "focal-t-v1",
    "focalt_unicl_lang_demo": "focal-t-demo",
    "focall_unicl_lang_v0": "focal-l-v0",
    "focall_unicl_lang_v1": "focal-l-v1",
    "davitd3_unicl_lang_v1": "davit-d3-v1",
    "davitd5_unicl_lang_v1": "davit-d5-v1",
    "samvitb_unicl_lang_v1": "samvit-b-v1",
}


@pytest.fixture(params=CONFIGS)
def case(request, golden_file):
    keys = json.loads(golden_file(f"{request.param}.keys.json").read_text())
    with torch.device("meta"):
        return request.param, {name: torch.empty(shape) for name, (shape, _) in keys.items()}


def test_all_names_and_shapes_are_consumed_and_produced(case):
    config, official = case
    architecture = architecture_of(CONFIGS[config])
    with torch.device("meta"):
        network = SEEM(architecture)
    renamed = rename(official, architecture)
    unused = [name for name in official if name in ("criterion.empty_weight", "dilation_kernel")]
    assert len(renamed) == len(official) - len(unused)
    own = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in renamed.items()} == own


def test_numbers_of_parameters(case, golden_file):
    config, _ = case
    counts = json.loads(golden_file("params.json").read_text())
    if config not in counts:
        pytest.skip(f"params.json has no counts of {config}")
    with torch.device("meta"):
        network = SEEM(architecture_of(CONFIGS[config]))
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    expected = counts[config]
    assert parts["backbone"] == expected["backbone"]
    assert parts["pixel_decoder"] == expected["pixel_decoder"]
    assert parts["language"] == expected["lang_encoder"]
    assert sum(parts.values()) == expected["total"]


def test_the_guess_differs_at_most_in_the_decoder(case):
    config, official = case
    assert guess_variant(official, config).rpartition("-")[0] == CONFIGS[config].rpartition("-")[0]
