from __future__ import annotations

import pytest
import torch

from seemkit.interactive.clicker import center_click
from seemkit.interactive.rollout import Rollout
from seemkit.postprocess.resize import restore
from seemkit.prompts.values import Point
from seemkit.types import Size
from tests.networks import final_masks, picture

FRAMES = [Size(30, 45), Size(64, 70)]


@pytest.fixture
def masks() -> list[torch.Tensor]:
    first, second = torch.zeros(3, *FRAMES[0], dtype=torch.bool), torch.zeros(1, *FRAMES[1], dtype=torch.bool)
    first[0, 4:14, 5:20], first[1, 15:28, 25:44], first[2, :3, :3] = True, True, True
    second[0, 20:50, 10:60] = True
    return [first, second]


@pytest.fixture
def rollout(network, masks) -> Rollout:
    """Two images whose pixels for prompts are not the network's; object 2 of image 0 is left out."""
    with torch.no_grad():
        context = network.encode_image([picture(60, 90), picture(64, 70, seed=1)], FRAMES)
    first = [[[center_click(m)] for m in rows[:2]] for rows in masks]
    return Rollout(network, context, masks, [[*first[0], []], first[1]])


def truth(masks) -> list[torch.Tensor]:
    """Logits that are right everywhere."""
    return [torch.where(rows, 5.0, -5.0) for rows in (masks[0][:2], masks[1])]


def test_masks_have_the_size_of_the_prompts(rollout):
    found = rollout.predict()
    assert [tuple(masks.shape) for masks in found] == [(2, 30, 45), (1, 64, 70)]
    assert rollout.memory.shape[:2] == (2, 2)


def test_the_masks_are_those_of_the_network(rollout):
    answer, prompts = rollout.predict(), [[list(d) for d in image] for image in rollout.prompts]
    masks = final_masks(rollout.network, rollout.context, prompts)
    expected = restore(masks[0], rollout.context.padded, Size(60, 90), FRAMES[0], mode="bilinear")
    torch.testing.assert_close(answer[0], expected)
    torch.testing.assert_close(rollout.memory, masks)


def test_the_next_round_remembers_this_one(rollout):
    rollout.predict()
    first = rollout.memory
    rollout.predict()
    expected = final_masks(rollout.network, rollout.context, rollout.prompts, previous=first)
    torch.testing.assert_close(rollout.memory, expected)
    assert (rollout.memory - first)[0].abs().max() > 1e-3


def test_clicks_land_where_the_answer_is_wrong(rollout, masks):
    for _ in range(5):
        answer = rollout.predict()
        before = [[len(described) for described in image] for image in rollout.prompts]
        rollout.correct(answer)
        for image in range(2):
            for index, count in enumerate(before[image]):
                new = rollout.prompts[image][index][count:]
                if not count:  # left out
                    assert new == []
                    continue
                predicted, wanted = answer[image][index] > 0, masks[image][index]
                assert len(new) == int(not torch.equal(predicted, wanted))
                for click in new:
                    row, column = int(click.y), int(click.x)
                    assert bool(wanted[row, column]) == click.positive
                    assert bool(predicted[row, column]) != click.positive


def test_no_click_when_the_answer_is_right(rollout, masks):
    before = [[list(described) for described in image] for image in rollout.prompts]
    rollout.correct(truth(masks))
    assert rollout.prompts == before


def test_only_wrong_objects_are_clicked(rollout, masks):
    answer = truth(masks)
    answer[0][1, 15:20, 25:30] = -5  # a corner is missing
    answer[1][0, 55:64, 62:70] = 5  # something is too much
    rollout.correct(answer)
    assert [len(described) for described in rollout.prompts[0]] == [1, 2, 0]
    missed, false = rollout.prompts[0][1][1], rollout.prompts[1][0][1]
    assert missed == Point(27.5, 17.5)
    assert not false.positive
    assert (55 <= false.y < 64, 62 <= false.x < 70) == (True, True)


def test_a_pixel_is_clicked_once(rollout, masks):
    """A network that never answers anything is clicked at a new pixel each time, the first click included."""
    nothing = [torch.full_like(logits, -5.0) for logits in truth(masks)]
    for _ in range(4):
        rollout.correct(nothing)
    clicks = rollout.prompts[0][0]
    assert len(clicks) == 5
    assert len(set(clicks)) == 5


def test_the_given_prompts_stay_as_they_are(network, masks):
    with torch.no_grad():
        context = network.encode_image([picture(60, 90)], FRAMES[:1])
    given = [[[center_click(masks[0][0])]]]
    rollout = Rollout(network, context, [masks[0][:1]], given)
    rollout.correct([torch.full((1, 30, 45), -1.0)])
    assert len(given[0][0]) == 1
    assert len(rollout.prompts[0][0]) == 2


def test_rounds_repeat(network, masks):
    with torch.no_grad():
        context = network.encode_image([picture(60, 90)], FRAMES[:1])
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        rollout = Rollout(network, context, [masks[0][:2]], [[[center_click(m)] for m in masks[0][:2]]])
        for _ in range(3):
            answer = rollout.predict()
            rollout.correct(answer)
        found.append((answer[0], rollout.prompts))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
