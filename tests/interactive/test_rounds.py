"""One round, and that sessions, rollouts and trackers all play it: equal masks, round after round."""

from __future__ import annotations

import torch

from seemkit import Point, Session, Text
from seemkit.inference.tracker import Tracker
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.rounds import play_round
from tests.networks import final_masks, picture

FIRST, SECOND, THIRD = Point(20.5, 10.5), Point(50.5, 40.5, positive=False), Text("the red star")


def chain(network, context) -> list[torch.Tensor]:
    """The masks of three rounds at the network's resolution, each with the memory of the one before."""
    memory, found = None, []
    for prompts in ([FIRST], [FIRST, SECOND], [FIRST, SECOND, THIRD]):
        memory = play_round(network, context, [[prompts]], memory).masks
        found.append(memory)
    return found


def test_a_round_remembers_the_one_before(network, context):
    with torch.no_grad():
        first, second, _ = chain(network, context)
        assert torch.equal(second, final_masks(network, context, [[[FIRST, SECOND]]], previous=first))
        assert not torch.equal(second, play_round(network, context, [[[FIRST, SECOND]]]).masks)


def test_a_round_is_played_without_gradient(network, context):
    assert not play_round(network, context, [[[FIRST]]]).masks.requires_grad


def test_sessions_play_rounds(network, context):
    session = Session.of(network, context)
    for prompt, masks in zip((FIRST, SECOND, THIRD), chain(network, context), strict=True):
        found = session.add(prompt).predict()
        torch.testing.assert_close(found.logits, context.restore(masks[0], mode="bilinear")[0])


def test_rollouts_play_rounds(network, context):
    rollout = Rollout(network, context, [torch.zeros(1, 60, 90, dtype=torch.bool)], [[[FIRST]]])
    for prompt, masks in zip((SECOND, THIRD, THIRD), chain(network, context), strict=True):
        (found,) = rollout.predict()
        torch.testing.assert_close(found, context.restore(masks[0], mode="bilinear"))
        rollout.add(0, 0, [prompt])


def test_trackers_play_rounds(network):
    with torch.no_grad():
        contexts = [network.encode_image([picture(60, 90, seed=seed)]) for seed in (0, 1)]
    tracker = Tracker(network, click=False)
    tracker.add(contexts[0], [[FIRST]])
    first = play_round(network, contexts[0], [[[FIRST]]])
    torch.testing.assert_close(tracker.masks, contexts[0].restore(first.masks[:, 0], mode="bilinear"))
    (region,) = tracker._regions
    second = play_round(network, contexts[1], [[[region]]], first.masks)
    torch.testing.assert_close(tracker.step(contexts[1]), contexts[1].restore(second.masks[:, 0], mode="bilinear"))
