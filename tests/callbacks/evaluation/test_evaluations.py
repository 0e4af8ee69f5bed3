"""Evaluations on the shipped model: their numbers are those of a plain way, and bad predictions are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit.callbacks import InstanceEvaluation, InteractiveEvaluation, PanopticEvaluation, ReferringEvaluation
from seemkit.callbacks.evaluation.worst_cases import WorstCases
from seemkit.errors import InputError
from seemkit.inference.session import Session
from seemkit.interactive.clicker import center_click
from seemkit.interactive.rollout import Rollout
from seemkit.prompts.values import Text
from seemkit.types import Batch, Size


def run(evaluation, module, context, batch):
    evaluation.worst = WorstCases()
    evaluation.start(module)
    with torch.no_grad():
        evaluation.update(module, context, batch)
    return {name: value.tolist() for name, value in evaluation.compute().items()}


def iou(found, truth):
    return float((found & truth).sum() / (found | truth).sum())


def test_first_clicks_are_those_of_sessions_with_single_objects(module, context, batch):
    """Objects of an image do not see each other, but share the sampled points, and later the memory slots."""
    found = run(InteractiveEvaluation(clicks=1), module, context, batch)["iou_1click"]
    ious = []
    for index, target in enumerate(batch.targets):
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True):
            if module.vocabulary.things[label]:
                answer = Session.of(module.network, context.repeat(index, 1)).predict(center_click(mask))
                ious.append(iou(answer.mask, mask))
    assert len(ious) > 4
    assert found == pytest.approx(sum(ious) / len(ious), abs=0.03)


def test_images_of_a_batch_do_not_depend_on_each_other(module, batch, scenes):
    curves = {}
    for name, targets in {"both": [0, 1], "first": [0], "second": [1]}.items():
        part = Batch([batch.images[i] for i in targets], [batch.targets[i] for i in targets])
        with torch.no_grad():
            context = module.network.encode_image(part.images, [target.size for target in part.targets])
        evaluation = InteractiveEvaluation(clicks=6)
        run(evaluation, module, context, part)
        curves[name] = evaluation._iou
    for state in ("iou_sum", "clicks", "image_clicks"):
        both, first, second = (getattr(curves[name], state) for name in ("both", "first", "second"))
        torch.testing.assert_close(both, first + second, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rule", "rounds"), [("official", 1), ("exact", 5)])
def test_an_image_with_good_masks_gets_no_more_clicks(module, context, batch, monkeypatch, rule, rounds):
    """Its last IoU stands for the rest; RITM's protocol has no such end, so that five rounds are always played."""
    calls = []

    class Counted(Rollout):
        def predict(self):
            calls.append(self)
            return super().predict()

    monkeypatch.setattr("seemkit.callbacks.evaluation.interactive.GOOD_ENOUGH", 0.0)
    monkeypatch.setattr("seemkit.callbacks.evaluation.interactive.Rollout", Counted)
    curve = run(InteractiveEvaluation(clicks=7, rule=rule), module, context, batch)["iou_curve"]
    assert len(calls) == rounds
    assert curve[rounds - 1 :] == [curve[-1]] * (8 - rounds)
    assert len(set(curve)) == rounds


def test_mirrored_views_as_in_a_session(module, context, batch):
    found = run(InteractiveEvaluation(clicks=1, mirrored=True), module, context, batch)["iou_1click"]
    ious = []
    for image, target in zip(batch.images, batch.targets, strict=True):
        session = Session(module.network, image, mirrored=True)
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True):
            if module.vocabulary.things[label]:
                ious.append(iou(session.predict(center_click(mask)).mask, mask))
    assert found == pytest.approx(sum(ious) / len(ious), abs=0.03)
    assert found != run(InteractiveEvaluation(clicks=1), module, context, batch)["iou_1click"]


def test_other_starts(module, context, batch):
    found = run(InteractiveEvaluation(clicks=1, starts=["box", "scribble"]), module, context, batch)
    again = run(InteractiveEvaluation(clicks=1, starts=["box", "scribble"]), module, context, batch)
    assert found == again
    assert 0.4 < found["iou_1box"] <= 1
    assert 0.4 < found["iou_1scribble"] <= 1


def test_stuff_is_clicked_once(module, context, batch):
    found = run(InteractiveEvaluation(clicks=1, stuff=True), module, context, batch)
    ious = [
        iou(Session.of(module.network, context.repeat(index, 1)).predict(center_click(mask)).mask, mask)
        for index, target in enumerate(batch.targets)
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True)
        if not module.vocabulary.things[label]
    ]
    assert found["iou_1click_stuff"] == pytest.approx(sum(ious) / len(ious), abs=0.03)
    assert found["iou_1click"] == run(InteractiveEvaluation(clicks=1), module, context, batch)["iou_1click"]


def test_ignored_pixels_are_not_judged(module, context, batch):
    """With everything ignored but a pixel of each object's inside, whatever is found on it counts alone."""
    for target in batch.targets:
        target.ignored = torch.ones(tuple(target.size), dtype=torch.bool)
        for mask in target.masks:
            click = center_click(mask)
            target.ignored[int(click.y), int(click.x)] = False
    assert run(InteractiveEvaluation(clicks=1), module, context, batch)["iou_1click"] > 0.9


def test_unknown_rule_and_kind():
    with pytest.raises(InputError, match="rule is 'best'; use one of exact, official"):
        InteractiveEvaluation(rule="best")
    with pytest.raises(InputError, match="scrible"):
        InteractiveEvaluation(starts=["scrible"])


def test_phrases_with_a_scribble(module, context, batch):
    found = run(ReferringEvaluation(helped_by=["scribble"]), module, context, batch)
    assert {"referring_ciou", "referring_scribble_ciou", "referring_scribble_p50"} <= found.keys()
    assert found["referring_scribble_ciou"] != found["referring_ciou"]


def test_phrases_are_asked_one_at_a_time(module, context, batch):
    found = run(ReferringEvaluation(), module, context, batch)["referring_miou"]
    ious = [
        iou(
            Session.of(module.network, context.repeat(index, 1)).predict(Text(phrase.text)).mask,
            target.masks[phrase.segment],
        )
        for index, target in enumerate(batch.targets)
        for phrase in target.phrases
    ]
    assert found == pytest.approx(sum(ious) / len(ious), abs=0.02)


def test_instances_of_scenes(module, context, batch):
    found = run(InstanceEvaluation(), module, context, batch)
    assert 0.3 < found["ap"] <= found["ap_50"] <= 1
    assert 0.3 < found["box_ap"] <= 1


@pytest.mark.parametrize(
    "evaluation",
    [PanopticEvaluation(), InstanceEvaluation(), ReferringEvaluation(), InteractiveEvaluation(clicks=2)],
    ids=lambda evaluation: type(evaluation).__name__,
)
def test_predictions_that_are_not_finite_are_refused_by_name(evaluation, module, context, batch):
    broken = context.mask_features.clone()
    broken[1, :, 5, 5] = torch.nan
    with pytest.raises(InputError, match=rf"^{batch.targets[1].name}: .* not finite"):
        run(evaluation, module, replace(context, mask_features=broken), batch)


def test_masks_of_another_size_are_refused_by_name(module, context, batch):
    other = replace(context, frames=[Size(64, 64)] * len(context))
    with pytest.raises(InputError, match=rf"^{batch.targets[0].name}: masks differ: predicted \[64, 64\]"):
        run(InstanceEvaluation(), module, other, batch)


def test_the_worst_cases_are_kept(module, context, batch):
    evaluation = InteractiveEvaluation(clicks=2)
    run(evaluation, module, context, batch)
    names = [case.image for case in evaluation.worst.cases]
    assert sorted(names) == sorted(target.name for target in batch.targets)
    assert [case.score for case in evaluation.worst.cases] == sorted(case.score for case in evaluation.worst.cases)
    assert all(case.picture.shape == (3, *batch.targets[0].size) for case in evaluation.worst.cases)


def test_images_of_other_sizes_in_the_batch_change_nothing(module, batch):
    """Padded to a common size, the smaller image would be segmented in another way."""
    cut = 96
    targets = [batch.targets[0], replace(batch.targets[1], masks=batch.targets[1].masks[:, :cut], phrases=())]
    mixed = Batch([batch.images[0], batch.images[1][:, :cut]], targets)
    ((alone, _),) = module.test_step(Batch(mixed.images[1:], mixed.targets[1:]), 0)["encoded"]
    both = module.test_step(mixed, 0)["encoded"]
    assert [[target.name for target in part.targets] for _, part in both] == [[t.name] for t in targets]
    torch.testing.assert_close(both[1][0].mask_features, alone.mask_features)
    assert both[1][0].padded.height == cut
