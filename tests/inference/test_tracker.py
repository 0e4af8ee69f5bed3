from __future__ import annotations

import gc

import pytest
import torch

from seemkit import SEEM, Box, Mask, Point, RegionOf, Text
from seemkit.errors import InputError
from seemkit.inference.tracker import Tracker
from seemkit.interactive.clicker import center_click
from seemkit.postprocess.object_ids import object_ids, object_masks
from seemkit.postprocess.resize import restore
from tests.clips import moving
from tests.networks import final_masks, picture

HEIGHT, WIDTH = 60, 90
FRAMES = [picture(HEIGHT, WIDTH, seed) for seed in range(4)]


@pytest.fixture
def contexts(network):
    return encoded(network, FRAMES)


@torch.no_grad()
def encoded(network, frames):
    return [network.encode_image([frame]).prepare() for frame in frames]


def mask(top: int, left: int) -> torch.Tensor:
    found = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    found[top : top + 20, left : left + 30] = True
    return found


@torch.no_grad()
def naive(network, contexts, objects, *, click):
    """The masks of each frame behind the first, for objects given by masks, with the first frame sampled each time."""
    previous = [final_masks(network, contexts[0], [[[Mask(m)]]]) for m in objects]
    ids, answers = object_ids(torch.stack(objects).float()), []
    for context in contexts[1:]:
        rows = []
        for index, owned in enumerate(object_masks(ids, len(objects))):
            prompts = [RegionOf(contexts[0], (Mask(objects[index]),))]
            prompts += [center_click(owned)] if click and owned.any() else []
            previous[index] = final_masks(network, context, [[prompts]], previous=previous[index])
            rows.append(restore(previous[index][0], context.padded, context.sizes[0], context.frames[0], "bilinear"))
        answers.append(torch.cat(rows))
        ids = object_ids(answers[-1])
    return answers


@pytest.mark.parametrize("click", [True, False])
def test_the_first_frame_is_encoded_once_and_every_time_the_same(network, contexts, click):
    objects = [mask(5, 5), mask(30, 50)]
    tracker = Tracker(network, click=click)
    assert tracker.add(contexts[0], [[Mask(m)] for m in objects]) == [1, 2]
    for context, expected in zip(contexts[1:], naive(network, contexts, objects, click=click), strict=True):
        found = tracker.step(context)
        assert found.shape == (2, HEIGHT, WIDTH)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_given_mask_is_taken_as_it_is(network, contexts):
    tracker = Tracker(network)
    tracker.add(contexts[0], [[Mask(mask(5, 5))], [Mask(mask(30, 50)), Mask(mask(5, 60))]])
    assert (tracker.masks > 0).equal(torch.stack([mask(5, 5), mask(30, 50) | mask(5, 60)]))


def test_any_mix_of_prompts_begins_an_object(network, contexts):
    tracker = Tracker(network)
    objects = [
        [Text("the star"), Point(30, 20)], [Box(10, 10, 40, 50), Point(70, 50, positive=False)],
        [RegionOf(contexts[1], (Point(20, 20),)), Point(50, 50)],
    ]  # fmt: skip
    assert tracker.add(contexts[0], objects) == [1, 2, 3]
    with torch.no_grad():
        answers = [final_masks(network, contexts[0], [[prompts]])[0] for prompts in objects]
        expected = restore(
            torch.cat(answers), contexts[0].padded, contexts[0].sizes[0], contexts[0].frames[0], "bilinear"
        )
    torch.testing.assert_close(tracker.masks, expected, atol=1e-3, rtol=1e-3)
    assert tracker.step(contexts[1]).shape == (3, HEIGHT, WIDTH)


def test_objects_that_come_later_keep_the_numbers_of_the_others(network, contexts):
    first, second = [Mask(mask(5, 5))], [Mask(mask(30, 50))]
    alone, tracker = Tracker(network, click=False), Tracker(network, click=False)
    for one in (alone, tracker):
        one.add(contexts[0], [first])
        one.step(contexts[1])
    assert tracker.add(contexts[1], [second]) == [2]
    assert tracker.add(contexts[1], []) == []
    assert (tracker.masks[1] > 0).equal(second[0].mask)
    for context in contexts[2:]:
        torch.testing.assert_close(tracker.step(context)[0], alone.step(context)[0], atol=1e-4, rtol=1e-4)


def test_nothing_is_encoded_and_nothing_piles_up(network, contexts, monkeypatch):
    tracker = Tracker(network)
    tracker.add(contexts[0], [[Mask(mask(5, 5))], [Point(60, 40)]])
    monkeypatch.setattr(SEEM, "encode_image", lambda *_: pytest.fail("a step encodes nothing"))
    kept = [tensors(tracker.step(context), contexts) for context in contexts[1:]]
    assert len(set(kept)) == 1


def tensors(_: torch.Tensor, contexts) -> tuple[int, int]:
    """How many tensors there are, and how many numbers they hold."""
    gc.collect()
    found = [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
    return len(found), sum(tensor.numel() for tensor in found)


def test_the_first_frame_is_let_go(tiny_network):
    (context,) = encoded(tiny_network, FRAMES[:1])
    tracker = Tracker(tiny_network)
    tracker.add(context, [[Mask(mask(5, 5))]])
    large = {part.untyped_storage().data_ptr() for part in (context.mask_features, *context.levels)}
    (region,) = tracker._regions
    assert not large & {part.untyped_storage().data_ptr() for part in (*region.tokens.values, region.tokens.pooled)}


def test_a_lost_object_is_asked_for_by_its_region_alone(field_network):
    contexts = encoded(field_network, FRAMES[:2])
    trackers = [Tracker(field_network), Tracker(field_network, click=False)]
    for tracker in trackers:
        tracker.add(contexts[0], [[Mask(mask(5, 5))], [Mask(mask(30, 50))]])
        tracker.masks = torch.stack((torch.full_like(tracker.masks[0], -1.0), tracker.masks[1]))
    (lost, clicked), (region, unclicked) = (tracker.step(contexts[1]) for tracker in trackers)
    torch.testing.assert_close(lost, region, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(clicked, unclicked, atol=0.1)


def test_no_objects(network, contexts):
    tracker = Tracker(network)
    assert tracker.step(contexts[0]).shape == (0, HEIGHT, WIDTH)
    assert tracker.add(contexts[0], [[Mask(mask(5, 5))]]) == [1]


def test_bad_frames_and_prompts_leave_the_tracker_as_it_was(network, contexts):
    tracker = Tracker(network)
    tracker.add(contexts[0], [[Mask(mask(5, 5))]])
    before = tracker.masks
    with torch.no_grad():
        wide, two = network.encode_image([picture(60, 100)]), network.encode_image(FRAMES[:2])
    for context, prompts, message in [
        (wide, [[Point(3, 3)]], "a frame of 100 x 60 pixels; expected 90 x 60 as before"),
        (two, [[Point(3, 3)]], "holds 2 images"),
        (contexts[1], [[Point(3, 3, positive=False)]], "no prompt of an object is positive"),
        (contexts[1], [[]], "no prompt of an object is positive"),
        (contexts[1], [[Point(3, 3)], [Point(300, 3)]], "is outside the image of 90 x 60"),
        (contexts[1], [[Mask(mask(5, 5)[1:])]], "mask has shape"),
    ]:
        with pytest.raises(InputError, match=message):
            tracker.add(context, prompts)
    with pytest.raises(InputError, match="a frame of 100 x 60 pixels"):
        tracker.step(wide)
    assert tracker.masks is before
    assert len(tracker._regions) == 1


def test_what_is_not_found_by_words_cannot_be_followed(network, contexts):
    tracker = Tracker(network)
    nothing = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    with pytest.raises(InputError, match="nothing in the frame fits an object's prompts"):
        tracker._refer(contexts[0], nothing, [Text("a star")])
    marked = tracker._refer(contexts[0], nothing, [Text("a star"), Point(30, 20)])
    torch.testing.assert_close(marked.tokens.pooled, network.sampler.describe([Point(30, 20)], contexts[0]).pooled)


def test_the_shipped_model_follows_what_moves():
    network, clip = SEEM.from_pretrained("scenes-tiny"), moving(3, frames=5)
    tracker, *contexts = Tracker(network), *encoded(network, clip.frames)
    tracker.add(contexts[0], [[center_click(rows)] for rows in clip.masks[0]])
    for context in contexts[1:]:
        tracker.step(context)
    found, truth = object_masks(object_ids(tracker.masks), len(tracker.masks)), clip.masks[-1]
    overlap = (found & truth).flatten(1).sum(1) / (found | truth).flatten(1).sum(1)
    assert overlap.mean() > 0.5, overlap
