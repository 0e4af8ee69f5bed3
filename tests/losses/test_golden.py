"""The losses against those that the official code computed from the same outputs, matches and points."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seemkit.losses import group_losses as criterion
from seemkit.losses.group_losses import Targets
from seemkit.losses.hungarian import UNMATCHED
from seemkit.losses.matching import choice_cost, class_cost, match, share_points
from seemkit.losses.weights import LossWeights
from seemkit.nn.heads import cosine_similarity

POINTS = 128


@pytest.fixture(scope="module")
def golden(golden_file: Callable[[str], Path]) -> SimpleNamespace:
    with np.load(golden_file("loss.golden.npz")) as file:
        arrays = {name.replace("/", "_"): torch.from_numpy(file[name]) for name in file.files}
    facts = json.loads(golden_file("loss.golden.json").read_text())
    return SimpleNamespace(**arrays, facts=facts, losses=facts["losses_unweighted"], arrays=arrays)


def matches(golden: SimpleNamespace, group: str) -> list[list[tuple[int, int]]]:
    """For each image the (query, target) pairs in the order in which the reference counts them."""
    pairs = [[golden.arrays[f"match_{group}{i}_{side}"].tolist() for side in ("src", "tgt")] for i in range(2)]
    return [list(zip(*pair, strict=True)) for pair in pairs]


def padded_targets(masks: list[Tensor], labels: list[Tensor] | None = None) -> Targets:
    labels = labels or [torch.zeros(len(m), dtype=torch.int64) for m in masks]
    padded = pad_sequence([m > 0 for m in masks], batch_first=True)
    valid = torch.arange(padded.shape[1])[None] < torch.tensor([len(m) for m in masks])[:, None]
    return Targets(padded, valid & padded.flatten(2).any(2), pad_sequence(labels, batch_first=True))


class Points:
    """Stands for `torch.rand`: gives the stored points of one image after the other, in the order of its targets."""

    def __init__(self, golden: SimpleNamespace, group: str, first: int, targets: Targets) -> None:
        stored = [golden.arrays[f"rand{first + i}"] for i in range(4)]
        rows = [(image, target) for image, pairs in enumerate(matches(golden, group)) for _, target in pairs]
        rows = [row for row in rows if targets.valid[row]]  # the reference drops empty targets here
        self.draws: Iterator[Tensor] = iter([
            *stored[:2],
            *(self._of(image, part, rows) for image in range(2) for part in stored[2:]),
        ])  # fmt: skip

    @staticmethod
    def _of(image: int, points: Tensor, rows: list[tuple[int, int]]) -> Tensor:
        places = {target: place for place, (of, target) in enumerate(rows) if of == image}
        return points[[places[target] for target in sorted(places)]]

    def __call__(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        points = next(self.draws)
        assert tuple(points.shape) == tuple(shape)
        return points


def check(
    monkeypatch, golden, group: str, first: int, cost: Tensor, masks: Tensor, targets: Targets, copies: int = 0
) -> Tensor:
    """The matches, after they and the losses of masks [B, Q, H, W] were compared with the reference's.

    Each query's embedding picks the channel with its mask.
    """
    monkeypatch.setattr(torch, "rand", Points(golden, group, first, targets))
    picks, generators = torch.eye(masks.shape[1]).expand(1, 2, -1, -1), [torch.Generator()] * 2
    queries = match(cost, picks, targets, share_points(masks, POINTS, generators), LossWeights().cost, copies)
    for image, pairs in enumerate(matches(golden, group)):
        wanted = {target: query for query, target in pairs if targets.valid[image, target]}
        assert {t: q for t, q in enumerate(queries[0, image].tolist()) if q != UNMATCHED} == wanted
    bce, dice = criterion.mask_terms(picks, masks, targets, queries, POINTS, generators)
    assert bce.divisor.item() == targets.valid.sum()
    assert bce.mean.item() == pytest.approx(golden.losses[f"loss_{group}_bce_0"], rel=1e-4)
    assert dice.mean.item() == pytest.approx(golden.losses[f"loss_{group}_dice_0"], rel=1e-4)
    return queries


def test_object_queries(golden, monkeypatch):
    targets = padded_targets([golden.tgt0_masks, golden.tgt1_masks], [golden.tgt0_labels, golden.tgt1_labels])
    logits = golden.out_pred_logits[None]
    queries = check(monkeypatch, golden, "mask", 0, class_cost(logits, targets), golden.out_pred_masks, targets)
    choice = criterion.class_choice(logits, queries, targets)
    assert choice.mean.item() == pytest.approx(golden.losses["loss_mask_ce_0"], rel=1e-4)


def visual(golden) -> tuple[Targets, Tensor]:
    targets = padded_targets([golden.tgt0_gt_spatial_masks, golden.tgt1_gt_spatial_masks])
    return targets, (golden.out_pred_pspatials @ golden.out_pred_smaskembs.transpose(1, 2))[None]


def test_visual_queries(golden, monkeypatch):
    targets, scores = visual(golden)
    cost = choice_cost(scores)
    queries = check(monkeypatch, golden, "spatial", 4, cost, golden.out_pred_smasks, targets, copies=3)
    # the reference lets a target choose queries of padding too, which hide_absent forbids
    choice = criterion.query_choice(scores, queries)
    assert choice.mean.item() == pytest.approx(golden.losses["loss_spatial_ce_0"], rel=1e-4)


def test_phrases(golden, monkeypatch):
    targets = padded_targets([golden.tgt0_grounding_masks, golden.tgt1_grounding_masks])
    sentences = pad_sequence([golden.tgt0_grounding_class_embs, golden.tgt1_grounding_class_embs], batch_first=True)
    scale = torch.tensor(golden.facts["lang_logit"]).exp()
    scores = cosine_similarity(golden.out_pred_gtexts, sentences, scale).transpose(1, 2)[None]
    queries = check(monkeypatch, golden, "grounding", 8, choice_cost(scores), golden.out_pred_gmasks, targets)
    # In the reference texts of one hash share their matches, as two of image 0 do; here each has its own.
    right = torch.nn.functional.one_hot(queries[0, 0], scores.shape[3]).float()
    right[[0, 2]] = right[[0, 2]].mean(dim=0)
    shared = -(right * scores[0, 0].log_softmax(dim=1)).sum(dim=1).mean()
    own = criterion.query_choice(scores[:, 1:], queries[:, 1:]).mean
    factors = [golden.facts["grounding_weight"][kind] for kind in golden.facts["grounding_task"]]
    choice = (factors[0] * shared + factors[1] * own).item() / 2
    assert choice == pytest.approx(golden.losses["loss_grounding_ce_0"], rel=1e-4)
