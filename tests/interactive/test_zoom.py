from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seemkit import Box, Mask, Point, RegionOf, Session, Text
from seemkit.errors import InputError
from seemkit.inference.tracker import Tracker
from seemkit.interactive import views, zoom
from seemkit.interactive.rollout import Rollout
from seemkit.interactive.window import Window
from seemkit.interactive.zoom import OUTSIDE, PlayedRound, RoundPlayer
from seemkit.model.seem import SEEM
from seemkit.types import Size
from tests.networks import TINY, build, picture

SMALL, LARGE = Box(200, 120, 240, 150), Box(10, 10, 380, 230)
FRAME = Size(240, 400)


@pytest.fixture(scope="module")
def zooming() -> SEEM:
    """A network that zooms in, and whose mask of a box is the box: its refiner sees nothing but the marked points."""
    network = build(replace(TINY, click_field=16, mask_refiner=4, zoom_side=128, visual_points=4096, image_side=160))
    refiner = network.refiner
    assert refiner is not None
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.zero_()
        refiner.enter.weight[0, 4, 1, 1] = 100.0  # the narrow positive spots
        refiner.leave.weight[:, 0] = 10.0
        refiner.leave.bias.fill_(-500.0)
    return network


@pytest.fixture
def player(zooming: SEEM) -> RoundPlayer:
    image = picture(*FRAME)
    with torch.no_grad():
        return RoundPlayer(zooming, zooming.encode_image([image]), image)


def play(player: RoundPlayer, *prompts, before: PlayedRound | None = None) -> PlayedRound:
    return player.play(player.network.prepare(prompts, player.frame), before)


box = zoom._box


def center(mask: torch.Tensor) -> tuple[float, float]:
    """Mean x and y of the pixels of a mask."""
    rows, columns = mask.nonzero(as_tuple=True)
    return float(columns.float().mean()) + 0.5, float(rows.float().mean()) + 0.5


def iou(played: PlayedRound, box: Box) -> float:
    truth = torch.zeros(tuple(FRAME), dtype=torch.bool)
    truth[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    found = played.logits > 0
    return float((found & truth).sum() / (found | truth).sum())


def test_a_small_object_is_seen_again_from_near(player: RoundPlayer) -> None:
    played = play(player, SMALL)
    assert played.window is not None
    assert played.window.contains(Window(120, 200, 30, 40))
    assert max(played.window.height, played.window.width) < 160
    assert max(played.encoded[0]) == 128
    assert played.logits.shape == tuple(FRAME)
    assert center(played.logits > 0) == pytest.approx((220, 135), abs=2)  # at the right place of the whole image
    assert iou(played, SMALL) > 2 * iou(play(RoundPlayer(player.network, player.views.whole), SMALL), SMALL)
    rows, columns = played.window.slices
    outside = torch.ones(tuple(FRAME), dtype=torch.bool)
    outside[rows, columns] = False
    assert played.logits[outside].unique().tolist() == [OUTSIDE]


def test_a_large_object_is_not(player: RoundPlayer) -> None:
    played = play(player, LARGE)
    assert played.window is None
    assert iou(played, LARGE) > 0.7


def test_a_window_serves_until_it_no_longer_fits(player: RoundPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = play(player, SMALL)
    encoded: list[Size] = []
    encode = player.network.encode_image
    monkeypatch.setattr(player.network, "encode_image", lambda *given: encoded.append(given[1][0]) or encode(*given))
    second = play(player, SMALL, Point(220, 135), Point(3, 3, positive=False), before=first)
    assert second.window == first.window
    assert len(player.views) == 1
    assert encoded == []
    third = play(player, SMALL, Box(300, 120, 320, 150), before=second)
    assert len(encoded) == 1
    assert third.window is not None
    assert third.window.contains(Window(120, 200, 30, 120))
    fourth = play(player, SMALL, LARGE, before=third)
    assert fourth.window is None
    assert iou(fourth, LARGE) > 0.7


def test_a_window_that_cuts_the_mask_off_grows(player: RoundPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mask, in the whole image, is only a part of the object."""
    refine = zoom.play_round
    calls = []

    def small_at_first(network, context, prompts, memory=None, draws=None):
        result = refine(network, context, prompts, memory, draws)
        calls.append(context)
        if len(calls) > 1:
            return result
        place = [slice(None), slice(None), slice(13, 16), slice(21, 25)]  # of 24 x 40 cells
        masks = torch.full_like(result.masks, -5.0)
        masks[tuple(place)] = 5.0
        return result._replace(masks=masks)

    monkeypatch.setattr(zoom, "play_round", small_at_first)
    wide = Box(150, 100, 310, 190)
    drawn = player.network.prepare([wide], player.frame)
    monkeypatch.setattr(zoom, "_box", lambda prompts, mask=None: box(prompts[:0], mask))
    played = player.play(drawn)
    assert len(calls) > 2
    assert played.window is None or played.window.width >= 160
    assert iou(played, wide) > 0.5


def test_windows_stay_in_the_image(player: RoundPlayer) -> None:
    for corner in (Box(0, 0, 40, 24), Box(370, 220, 400, 240)):
        played = play(player, corner)
        assert played.window is not None
        assert min(played.window.top, played.window.left) >= 0
        assert played.window.top + played.window.height <= FRAME.height
        assert played.window.left + played.window.width <= FRAME.width
        assert iou(played, corner) > 0.5


@pytest.mark.parametrize("zoom_side", [0, 128])
def test_a_mirrored_image_has_the_mirrored_mask(zoom_side: int) -> None:
    network = build(replace(TINY, click_field=16, mask_refiner=4, zoom_side=zoom_side, image_side=160))
    image = picture(*FRAME)
    session, other = (Session(network, pixels, mirrored=True) for pixels in (image, image.flip(-1)))
    one_view = Session(network, image).predict(Box(200, 120, 240, 150))
    session.add(Box(200, 120, 240, 150)).add(Point(210.5, 130.5), Point(3.5, 3.5, positive=False))
    other.add(Box(160, 120, 200, 150)).add(Point(189.5, 130.5), Point(396.5, 3.5, positive=False))
    found, mirrored = session.predict(), other.predict()
    assert torch.allclose(found.logits, mirrored.logits.flip(-1), atol=1e-4)
    assert not torch.allclose(found.logits, one_view.logits, atol=0.1)
    used = session.nbytes
    session.release()
    assert session.nbytes < used


def test_few_views_are_kept_and_the_others_made_again(zooming: SEEM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST_WINDOWS", 2)
    session = Session(zooming, picture(*FRAME))
    first = session.add(SMALL, name="first").predict()
    for place in range(5):
        session.add(Box(20 * place, 10, 20 * place + 30, 50), name=str(place)).predict()
    assert len(session._player.views) == 2
    again = session.add(Point(3, 3, positive=False), name="first").predict(name="first")
    fresh = Session(zooming, picture(*FRAME))
    assert torch.equal(fresh.add(SMALL).predict().logits, first.logits)
    assert torch.equal(fresh.add(Point(3, 3, positive=False)).predict().logits, again.logits)


def test_pixels_may_have_another_size_than_the_frame(zooming: SEEM) -> None:
    """As in evaluation, where images are resized and their masks are not."""
    image = torch.nn.functional.interpolate(picture(*FRAME)[None].float(), size=(120, 200))[0].to(torch.uint8)
    with torch.no_grad():
        player = RoundPlayer(zooming, zooming.encode_image([image], [FRAME]), image)
    played = play(player, SMALL)
    assert played.window is not None
    assert tuple(played.logits.shape) == tuple(played.frame)
    assert center(played.logits > 0) == pytest.approx((220, 135), abs=4)


def test_sessions_and_rollouts_zoom_alike(zooming: SEEM) -> None:
    image = picture(*FRAME)
    near, far = Session(zooming, image), Session(zooming, image, zoom=False)
    found, plain = near.add(SMALL).predict(), far.add(SMALL).predict()
    assert not torch.equal(found.logits, plain.logits)
    assert float(plain.logits.min()) != OUTSIDE
    players = [RoundPlayer(zooming, near.context, image, 0)]
    truth = torch.zeros(1, *FRAME, dtype=torch.bool)
    rollout = Rollout(zooming, near.context, [truth], [[[SMALL]]], players=players)
    torch.testing.assert_close(rollout.predict()[0][0], found.logits)
    near.add(Point(3, 3, positive=False)).undo()
    assert torch.equal(near.predict().logits, found.logits)


def test_a_text_alone_is_asked_in_the_whole_image(zooming: SEEM) -> None:
    session = Session(zooming, picture(*FRAME))
    assert session.predict(Text("the star")).mask.shape == tuple(FRAME)


def test_a_network_without_zoom_plays_in_the_whole_image(tiny_network: SEEM) -> None:
    image = picture(*FRAME)
    with torch.no_grad():
        player = RoundPlayer(tiny_network, tiny_network.encode_image([image]), image)
    first = play(player, SMALL)
    assert first.window is None
    assert play(player, SMALL, Point(3, 3, positive=False), before=first).window is None


def test_long_images_are_resized_before_they_are_encoded(zooming: SEEM) -> None:
    with torch.no_grad():
        context = zooming.encode_image([picture(*FRAME), picture(64, 64)])
    assert context.sizes == [Size(96, 160), Size(64, 64)]
    assert context.frames == [FRAME, Size(64, 64)]


def test_a_network_answers_only_what_it_was_trained_for() -> None:
    session = Session(build(replace(TINY, answers=("visual",))), picture(64, 64))
    assert session.predict(Point(9, 9)).mask.shape == (64, 64)
    with pytest.raises(InputError, match=r"^text prompts: this model only answers visual prompts; use another model"):
        session.predict(Text("the star"))
    with pytest.raises(InputError, match=r"^regions of other images: this model only answers visual prompts"):
        session.predict(RegionOf(picture(64, 64), Point(9, 9)))
    with pytest.raises(InputError, match=r"^segmentation without a prompt: this model only answers visual prompts"):
        session.panoptic()


def test_a_tracker_zooms_in_on_what_moves(zooming: SEEM) -> None:
    """The object's mask is what is clicked, so it moves to where the tracker clicks."""
    images = [picture(*FRAME, seed=seed) for seed in range(3)]
    contexts = [zooming.encode_image([image]) for image in images]
    mask = torch.zeros(tuple(FRAME), dtype=torch.bool)
    mask[120:150, 200:240] = True
    tracker, plain = Tracker(zooming), Tracker(zooming)
    tracker.add(contexts[0], [[Mask(mask)], [Mask(~mask)]], images[0])
    plain.add(contexts[0], [[Mask(mask)], [Mask(~mask)]])
    for context, image in zip(contexts[1:], images[1:], strict=True):
        masks = tracker.step(context, image)
        assert masks.shape == (2, *FRAME)
        assert center(masks[0] > 0) == pytest.approx((220, 135), abs=8)
        assert bool((masks[0] == OUTSIDE).any())
    assert int((masks[0] > 0).sum()) < int((plain.step(contexts[1])[0] > 0).sum())  # one click, seen from nearer
    later = tracker.add(contexts[2], [[SMALL]], images[2])
    assert later == [3]
    assert tracker.step(contexts[2], images[2]).shape == (3, *FRAME)
