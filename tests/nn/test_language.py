from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from seemkit.checkpoints.coco_classes import COCO_PANOPTIC
from seemkit.nn import language, sentences
from seemkit.nn.language import BACKGROUND, LanguageTower, imagenet_templates, tokenize
from seemkit.nn.tokenizer import END, START, token_ids


@pytest.fixture(scope="module")
def tower() -> LanguageTower:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LanguageTower(16, 2, 2, 12).eval()


@pytest.fixture
def untrimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts keep their padding to the full context."""

    def full(texts: list[str], length: int) -> Tensor:
        ids = tokenize(texts, length)
        return torch.nn.functional.pad(ids, (0, length - ids.shape[1]))

    monkeypatch.setattr(language, "tokenize", full)


def test_trimming_padding_changes_nothing(tower, request):
    texts = ["a red star", "grass", "the small blue ring left of the very large yellow triangle"]
    trimmed = tower(texts)
    request.getfixturevalue("untrimmed")
    full = tower(texts)
    length = trimmed.tokens.shape[1]
    assert length < full.tokens.shape[1] == 77
    assert torch.equal(full.valid[:, :length], trimmed.valid)
    assert not full.valid[:, length:].any()
    torch.testing.assert_close(full.tokens[:, :length], trimmed.tokens, atol=5e-6, rtol=0)
    torch.testing.assert_close(full.sentence, trimmed.sentence, atol=5e-6, rtol=0)


LONG = "the small blue ring left of the triangle"


def test_a_text_does_not_depend_on_its_neighbors(tower):
    alone, beside = tower(["grass"]), tower(["grass", LONG])
    torch.testing.assert_close(beside.sentence[0], alone.sentence[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside.tokens[0][beside.valid[0]], alone.tokens[0], atol=1e-5, rtol=0)


def test_sentence_is_read_at_the_first_end_token(tower):
    texts = ["red <end_of_text> star", LONG]
    assert (tokenize(texts, 77)[0] == END).sum() == 2
    ended, short = tower(texts), tower(["red", LONG])
    torch.testing.assert_close(ended.sentence[0], short.sentence[0], atol=1e-5, rtol=0)
    assert ended.valid[0].sum() == short.valid[0].sum() == 3


def test_token_ids():
    ids = tokenize(["A Star", "star"], 77)
    assert ids[:, 0].tolist() == [START, START]
    assert ids.shape == (2, 4)
    assert ids[0, 2] == ids[1, 1]  # lower case
    assert ids[1].tolist()[2:] == [END, 0]


def test_a_long_text_is_cut():
    ids = tokenize(["star " * 100], 77)
    assert ids.shape == (1, 77)
    assert ids[0, -1] == END
    assert (ids[0] == END).sum() == 1
    assert len(ids[0, 1:-1].unique()) == 1


def test_class_vectors_are_the_mean_over_templates(tower):
    templates = ("{}", "a photo of a {}.")
    found = tower.embed_classes(["star", "sky-other-merged", "grass-merged", "wall-stuff"], templates)
    assert found.shape == (5, 12)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5), atol=1e-6, rtol=0)
    for row, name in enumerate(["star", "sky", "grass", "wall", BACKGROUND]):
        units = [torch.nn.functional.normalize(tower([t.format(name)]).sentence[0], dim=0) for t in templates]
        expected = torch.nn.functional.normalize(torch.stack(units).mean(0), dim=0)
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=0)


def test_templates_are_the_81_of_the_reference():
    templates = imagenet_templates()
    assert len(templates) == len(set(templates)) == 81
    assert templates[0] == "{}."
    assert all(template.count("{}") == 1 and template.endswith(".") for template in templates)


def test_one_random_template_a_class(tower):
    templates = ("{}", "a, {}", "one+{}")
    names = [f"thing {n}" for n in range(20)]
    found = tower.embed_classes_once(names, torch.Generator().manual_seed(0), templates)
    again = tower.embed_classes_once(names, torch.Generator().manual_seed(0), templates)
    assert torch.equal(found, again)
    used = set()
    for row, name in enumerate([*names, BACKGROUND]):
        wanted = torch.nn.functional.normalize(tower([name, f"a {name}", f"one {name}"]).sentence, dim=1)
        distance, template = (wanted - found[row]).abs().amax(dim=1).min(dim=0)
        assert distance < 1e-5
        used.add(int(template))
    assert used == {0, 1, 2}


def test_phrases_clamp_the_scale_and_classes_do_not(tower):
    with torch.no_grad():
        before = tower.logit_scale.clone()
        tower.logit_scale.fill_(5.0)
        scales = tower.scale.item(), tower.phrase_scale.item()
        tower.logit_scale.copy_(before)
    assert scales == (pytest.approx(148.4131, abs=1e-3), 100.0)


@pytest.fixture(scope="module")
def golden(golden_file: Callable[[str], Path]) -> SimpleNamespace:
    with np.load(golden_file("text.golden.npz")) as file:
        arrays = {name.removeprefix("text/"): torch.from_numpy(file[name]) for name in file.files}
    return SimpleNamespace(**arrays)


PHRASES = ["the red bus on the left", "small dog"]
CLASSES = ["person", "bus", "dog", "sky-other-merged", "tree-merged", "background"]


def test_ids_are_the_reference_s_up_to_the_end(golden):
    for texts, ids, valid in (
        (CLASSES, golden.class_ids, golden.class_attn),
        (PHRASES, golden.phrase1_ids, golden.phrase1_attn),
    ):
        found = tokenize(texts, 77)
        used = valid.bool()
        assert int(used.sum(1).max()) == found.shape[1]
        assert torch.equal(found[used[:, : found.shape[1]]], ids[used])


def reference_weight(key: str, shape: list[int]) -> Tensor:
    """The synthetic weight of a key of the official text tower, by the rule that the arrays were made with."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    weight, last = torch.randn(shape, generator=generator), key.rpartition(".")[2]
    if last == "logit_scale":
        return torch.tensor(4.7)
    if key.endswith(("token_embedding.weight", "positional_embedding")):
        return weight
    if len(shape) <= 1:
        return 1 + 0.02 * weight if last == "weight" else 0.02 * weight
    gain = 1.5 if last == "in_proj_weight" else 0.2 if key.endswith("out_proj.weight") else 1.0
    return weight * gain / np.prod(shape[1:]) ** 0.5


def test_tower_computes_what_the_reference_does(golden, golden_file):
    prefix = "sem_seg_head.predictor.lang_encoder."
    keys = json.loads(golden_file("focalt_unicl_lang_v1.keys.json").read_text())
    state = {}
    for key, (shape, _) in keys.items():
        if key.startswith(prefix):
            name = key.removeprefix(prefix).removeprefix("lang_encoder.").replace("ln_final", "final_norm")
            name = name.replace("lang_proj", "projection").replace("resblocks", "transformer.resblocks")
            state[name] = reference_weight(key, shape)
    tower = LanguageTower(512, 12, 8, 512)
    tower.load_state_dict(state)
    with torch.no_grad():
        found, classes = tower.eval()(PHRASES), tower(CLASSES)
    torch.testing.assert_close(found.sentence, golden.phrase1_class_emb, atol=2e-4, rtol=1e-4)
    for row in range(2):
        tokens, valid = found.tokens[row], found.valid[row]
        assert int(valid.sum()) == int(golden.phrase1_attn[row].sum())
        torch.testing.assert_close(
            tokens[valid], golden.phrase1_token_emb[row][golden.phrase1_attn[row].bool()], atol=2e-4, rtol=1e-4
        )
    torch.testing.assert_close(classes.sentence, golden.class_emb_raw_unnorm, atol=2e-4, rtol=1e-4)


NAMES, TEMPLATES = ("star", "tree-merged"), ("{}.", "a photo of {}.")


def test_class_vectors_are_computed_once(tower, monkeypatch):
    with torch.no_grad():
        first = tower.embed_classes(NAMES, TEMPLATES)
        monkeypatch.setattr(tower.transformer, "read", None)
        assert torch.equal(tower.embed_classes(NAMES, TEMPLATES), first)
        assert torch.equal(tower.embed_classes(NAMES[1:], TEMPLATES), first[1:])


@pytest.mark.parametrize(
    "change",
    [
        lambda tower: tower.load_state_dict({k: 2 * v for k, v in tower.state_dict().items()}),
        lambda tower: torch.nn.ModuleList([tower]).load_state_dict(
            {f"0.{k}": 2 * v for k, v in tower.state_dict().items()}
        ),
        lambda tower: tower.double(),
        lambda tower: tower.train().eval(),
        lambda tower: (tower.projection.data.mul_(2), tower.forget_classes()),
    ],
    ids=["weights", "weights of the whole", "type", "mode", "weights in place"],
)
def test_class_vectors_are_forgotten_with_what_they_depend_on(change):
    changing = LanguageTower(16, 1, 2, 12).eval()
    with torch.no_grad():
        changing.embed_classes(NAMES, TEMPLATES)
        change(changing)
        assert changing.unknown(NAMES, TEMPLATES) == [*NAMES, BACKGROUND]


def test_class_vectors_with_gradient_are_new(tower):
    with torch.no_grad():
        tower.embed_classes(NAMES, TEMPLATES)
    assert tower.embed_classes(NAMES, TEMPLATES).requires_grad


def test_a_frozen_tower_reads_each_sentence_once(monkeypatch):
    frozen, asked = LanguageTower(16, 1, 2, 12), []

    def asking(text, length):
        asked.extend([text] if text else [])
        return token_ids(text, length)

    monkeypatch.setattr(sentences, "token_ids", asking)
    trained = frozen.embed_classes_once(NAMES, torch.Generator().manual_seed(0), TEMPLATES)
    assert trained.requires_grad
    frozen.requires_grad_(False)
    asked.clear()
    first = frozen.embed_classes_once(NAMES, torch.Generator().manual_seed(0), TEMPLATES)
    torch.testing.assert_close(first, trained.detach())
    for seed in range(8):
        frozen.train().eval()  # as each validation does
        frozen.embed_classes_once(NAMES, torch.Generator().manual_seed(seed), TEMPLATES)
    assert len(asked) == len(set(asked)) <= 2 * 3
    frozen.load_state_dict({name: 2 * value for name, value in frozen.state_dict().items()})
    asked.clear()
    frozen.embed_classes_once(NAMES, torch.Generator().manual_seed(0), TEMPLATES)
    assert len(asked) == 3


def test_the_vectors_of_a_frozen_tower_do_not_depend_on_the_run():
    """A run that resumes has other texts still to read than the run that it continues; its losses must not change."""
    torch.manual_seed(0)
    tower = LanguageTower(64, layers=2, num_heads=4, output_dim=64).requires_grad_(False)
    names = [*COCO_PANOPTIC.names[:40], "a very long name " * 20]

    def vectors(names):
        tower.train()
        tower.load_state_dict(tower.state_dict())  # forgets the sentences
        return tower.embed_classes_once(names, torch.Generator(), ["{}."])[:-1]

    together = vectors(names)
    for count in (1, 2, 5, 17):
        assert torch.equal(vectors(names[:count]), together[:count])
        assert torch.equal(vectors(names[-count:]), together[-count:])
