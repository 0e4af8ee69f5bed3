from __future__ import annotations

import pytest
import torch

from seemkit.postprocess.panoptic import panoptic_map
from seemkit.types import Panoptic

THINGS = (True, False)


def logits(*rows: str) -> torch.Tensor:
    """One mask a row: '#' +4, '+' +1, '.' -4."""
    return torch.tensor([[[{"#": 4.0, "+": 1.0, ".": -4.0}[c] for c in row]] for row in rows])


def probabilities(*scores: tuple[int, float]) -> torch.Tensor:
    """One query a pair of class and its probability, the others share the rest."""
    result = torch.zeros(len(scores), 3)
    for query, (label, score) in enumerate(scores):
        result[query] = (1 - score) / 2
        result[query, label] = score
    return result


def described(panoptic: Panoptic) -> tuple[list[int], list[tuple[int, int]]]:
    return panoptic.ids.flatten().tolist(), [(s.id, s.label) for s in panoptic.segments]


def test_queries_of_a_thing_stay_apart_and_stuff_is_merged():
    result = panoptic_map(
        probabilities((1, 0.9), (0, 0.9), (1, 0.95), (0, 0.9)),
        logits("##......", "..##....", "....##..", "......#."),
        THINGS,
    )
    assert described(result) == ([1, 1, 2, 2, 1, 1, 3, 0], [(1, 1), (2, 0), (3, 0)])
    assert [round(s.score, 4) for s in result.segments] == [0.95, 0.9, 0.9]


def test_doubtful_and_empty_queries_take_no_part():
    result = panoptic_map(probabilities((0, 0.8), (2, 0.99), (0, 0.9)), logits("####", "####", "#..."), THINGS)
    assert described(result) == ([1, 0, 0, 0], [(1, 0)])


def test_mostly_hidden_query_is_dropped_and_its_pixels_are_void():
    result = panoptic_map(probabilities((0, 0.9), (0, 0.9)), logits("####....", "+++++..."), THINGS)
    assert described(result) == ([1, 1, 1, 1, 0, 0, 0, 0], [(1, 0)])


@pytest.mark.parametrize(("overlap_threshold", "segments"), [(0.8, 2), (0.81, 1)])
def test_share_equal_to_the_threshold_is_kept(overlap_threshold, segments):
    result = panoptic_map(
        probabilities((0, 0.9), (0, 0.9)), logits("#....", "+++++"), THINGS, overlap_threshold=overlap_threshold
    )
    assert len(result.segments) == segments


def test_no_confident_query():
    result = panoptic_map(probabilities((0, 0.5)), logits("####"), THINGS)
    assert described(result) == ([0, 0, 0, 0], [])


def naive_map(class_probabilities, masks, things):
    """The official loop over queries, in plain python."""
    kept = [
        (p.max().item(), p.argmax().item(), m.sigmoid())
        for p, m in zip(class_probabilities, masks, strict=True)
        if p.argmax() < len(things) and p.max() > 0.4
    ]
    ids, segments, stuff = torch.zeros(masks.shape[1:], dtype=torch.int64), [], {}
    if not kept:
        return ids, segments
    winner = torch.stack([score * mask for score, _, mask in kept]).argmax(dim=0)
    for index, (_, label, mask) in enumerate(kept):
        won, own = winner == index, mask >= 0.5
        final = won & own
        if not (won.any() and own.any() and final.any()) or won.sum().item() / own.sum().item() < 0.6:
            continue
        if label in stuff:
            ids[final] = stuff[label]
            continue
        segments.append((len(segments) + 1, label))
        ids[final] = len(segments)
        if not things[label]:
            stuff[label] = len(segments)
    return ids, segments


@pytest.mark.parametrize("seed", range(20))
def test_equals_naive_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    things = (True, False, True, False)
    class_probabilities = (4 * torch.randn(14, 5, generator=generator)).softmax(dim=-1)
    coarse = 6 * torch.randn(14, 1, 3, 4, generator=generator) - 3
    masks = torch.nn.functional.interpolate(coarse, (12, 16), mode="bilinear", align_corners=False)[:, 0]
    result = panoptic_map(class_probabilities, masks, things, score_threshold=0.4, overlap_threshold=0.6)
    ids, segments = naive_map(class_probabilities, masks, things)
    assert torch.equal(result.ids, ids)
    assert [(s.id, s.label) for s in result.segments] == segments


@pytest.mark.parametrize(
    ("name", "facts", "threshold"), [("panoptic", "segments", 0.8), ("panoptic_thr04", "segments_thr04", 0.4)]
)
def test_equals_official(golden, name, facts, threshold):
    result = panoptic_map(golden.probabilities, golden.masks, golden.things, score_threshold=threshold)
    assert torch.equal(result.ids, getattr(golden, name).long())
    assert [(s.id, s.label) for s in result.segments] == [(s["id"], s["category_id"]) for s in golden.facts[facts]]
