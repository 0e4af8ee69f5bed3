from __future__ import annotations

import pytest
import torch
from torchvision.transforms import v2

from seemkit.data.loading.transforms import (
    GRAY,
    Compose,
    HorizontalFlip,
    LargeScaleJitter,
    ResizeImage,
    ResizeShortestEdge,
    Torchvision,
    drop_vanished,
)
from seemkit.errors import InputError
from seemkit.types import Phrase, Target

ALWAYS, NEVER = HorizontalFlip(1), HorizontalFlip(0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(height: int = 40, width: int = 60) -> tuple[torch.Tensor, Target]:
    """An image and three segments: the left half, one pixel, the right half."""
    masks = torch.zeros(3, height, width, dtype=torch.bool)
    masks[0, :, : width // 2] = True
    masks[2, :, width // 2 :] = True
    masks[0, 5, 5], masks[1, 5, 5] = False, True
    image = torch.randint(0, 256, (3, height, width), generator=generator(), dtype=torch.uint8)
    phrases = (Phrase("left half", 0), Phrase("the dot", 1), Phrase("right half", 2, ("side",)))
    return image, Target(masks, torch.tensor([4, 5, 6]), torch.tensor([False, False, True]), phrases, "a.png")


def test_flip_mirrors_pixels_and_masks() -> None:
    image, target = sample()
    flipped, mirrored = ALWAYS(image, target, generator())
    assert torch.equal(flipped, image.flip(-1))
    assert torch.equal(mirrored.masks, target.masks.flip(-1))
    assert [p.text for p in mirrored.phrases] == ["right half", "the dot", "left half"]
    assert mirrored.phrases[2].tags == ("side",)
    assert target.phrases[0].text == "left half"


def test_two_flips_give_the_sample_back() -> None:
    image, target = sample()
    back, restored = Compose([ALWAYS, ALWAYS])(image, target, generator())
    assert torch.equal(back, image)
    assert torch.equal(restored.masks, target.masks)
    assert restored.phrases == target.phrases


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Left of the RIGHT one", "Right of the LEFT one"),
        ("leftmost, right-hand, lefthand, rightwards", "rightmost, left-hand, righthand, leftwards"),
        ("a bright leftover cleft", "a bright leftover cleft"),
        ("man on left, not on right.", "man on right, not on left."),
    ],
)
def test_flip_swaps_words(before: str, after: str) -> None:
    image, target = sample()
    target.phrases = (Phrase(before, 0),)
    assert ALWAYS(image, target, generator())[1].phrases[0].text == after


def test_flip_probability() -> None:
    image, target = sample()
    assert NEVER(image, target, generator())[0] is image
    source = generator(3)
    flips = [HorizontalFlip(0.25)(image, target, source)[0] is not image for _ in range(400)]
    assert 70 < sum(flips) < 130


@pytest.mark.parametrize(
    ("short", "longest", "size"), [(20, None, (20, 30)), (80, None, (80, 120)), (80, 90, (60, 90)), (40, 60, (40, 60))]
)
def test_resize_size(short: int, longest: int | None, size: tuple[int, int]) -> None:
    image, target = ResizeShortestEdge(short, longest)(*sample(), generator())
    assert image.shape == (3, *size)
    assert image.dtype == torch.uint8
    assert target.size == size
    assert target.masks.dtype == torch.bool


def test_resize_keeps_a_constant_image_and_mask_areas() -> None:
    image, target = sample(45, 60)
    image, target = ResizeShortestEdge(90)(image.fill_(201), target, generator())
    assert bool((image == 201).all())
    assert target.masks.sum(dim=(1, 2)).tolist() == [90 * 60 - 4, 4, 90 * 60]
    assert bool((target.masks.sum(0) == 1).all())


def test_resize_to_the_same_size_changes_nothing() -> None:
    image, target = sample()
    resized, same = ResizeShortestEdge(40)(image, target, generator())
    assert torch.equal(resized, image)
    assert torch.equal(same.masks, target.masks)


def test_resize_is_antialiased() -> None:
    image, target = sample()
    image[:] = torch.tensor([0, 255], dtype=torch.uint8).repeat(30)
    resized, _ = ResizeImage(10)(image, target, generator())
    assert int(resized[..., 2:-2].float().sub(127.5).abs().max()) < 15


def test_vanished_segment_is_dropped_and_phrases_follow() -> None:
    image, target = sample()
    _, small = ResizeShortestEdge(10)(image, target, generator())  # samples pixels 2, 6, 10, …: not the dot at 5
    assert small.masks.shape == (2, 10, 15)
    assert small.labels.tolist() == [4, 6]
    assert small.crowd.tolist() == [False, True]
    assert [(p.text, p.segment) for p in small.phrases] == [("left half", 0), ("right half", 1)]


def test_no_segments() -> None:
    image, target = sample()
    target = drop_vanished(Target(target.masks & False, target.labels, target.crowd, target.phrases))
    assert target.masks.shape == (0, 40, 60)
    assert target.phrases == ()
    _, resized = Compose([ResizeShortestEdge(20), ALWAYS])(image, target, generator())
    assert resized.masks.shape == (0, 20, 30)


def test_resize_image_leaves_the_target() -> None:
    image, target = sample()
    resized, same = ResizeImage(32, 48)(image, target, generator())
    assert resized.shape == (3, 32, 48)
    assert same is target


@pytest.mark.parametrize(
    "change",
    [ALWAYS, ResizeShortestEdge(20), LargeScaleJitter(48), Torchvision(v2.RandomVerticalFlip(1.0))],
    ids=lambda change: type(change).__name__,
)
def test_ignored_pixels_move_with_the_masks(change) -> None:
    image, target = sample()
    target.ignored = target.masks[0]
    _, moved = change(image, target, generator())
    assert moved.ignored is not None
    assert torch.equal(moved.ignored, moved.masks[0])
    assert drop_vanished(target).ignored is target.ignored


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: HorizontalFlip(1.5), "flip"),
        (lambda: ResizeImage(0), "short_side"),
        (lambda: ResizeShortestEdge(100, 50), "long_side"),
    ],
)
def test_bad_settings(make, field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        make()


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_a_small_image_lies_in_the_top_left_of_the_square(factor: float) -> None:
    image, target = sample()  # 40 by 60
    cut, changed = LargeScaleJitter(120, factor, factor)(image, target, generator())
    height, width = int(80 * factor), int(120 * factor)
    assert cut.shape == (3, 120, 120)
    assert cut.dtype == torch.uint8
    assert type(cut) is type(changed.masks) is torch.Tensor
    assert bool((cut[:, height:] == GRAY).all())
    assert bool((cut[:, :, width:] == GRAY).all())
    assert not changed.masks[:, height:].any()
    assert changed.masks[0, : height - 1, : width // 2 - 1].float().mean() > 0.95
    assert changed.masks.dtype == torch.bool


def test_a_large_image_is_cut_at_random_and_masks_follow() -> None:
    ramp = torch.arange(100).expand(100, 100)  # each pixel says its column, and belongs to the segment of its decade
    decade = torch.div(ramp, 10, rounding_mode="floor")
    phrases = tuple(Phrase(str(n), n) for n in range(10))
    masks = torch.stack([decade == n for n in range(10)])
    target = Target(masks, torch.arange(10), torch.zeros(10, dtype=torch.bool), phrases)
    pixels = (10 * decade + 5).expand(3, -1, -1).to(torch.uint8)
    seen = set()
    for seed in range(8):
        cut, changed = LargeScaleJitter(50, 2.0, 2.0)(pixels, target, generator(seed))
        assert cut.shape == (3, 50, 50)
        seen.add(len(changed.labels))
        assert len(changed.labels) < 10
        for mask, label in zip(changed.masks, changed.labels.tolist(), strict=True):
            assert (cut[0][mask].float() - (10 * label + 5)).abs().mean() < 2
        assert [int(p.text) for p in changed.phrases] == changed.labels.tolist()
        assert bool(changed.masks.any(0).all())


def test_factors_are_spread_over_their_range() -> None:
    image, target = sample(64, 64)
    shares = []
    for seed in range(60):
        _, changed = LargeScaleJitter(64, 0.25, 1.0)(image, target, generator(seed))
        shares.append(changed.masks.any(0).float().mean().item() ** 0.5)
    assert min(shares) < 0.35
    assert max(shares) > 0.9
    assert 0.5 < sum(shares) / 60 < 0.75


@pytest.mark.parametrize("settings", [{"side": 16}, {"least": 0.0}, {"least": 2.0, "most": 1.0}])
def test_jitter_refuses_nonsense(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="jitter"):
        LargeScaleJitter(**settings)


def test_transforms_of_torchvision_take_part() -> None:
    image, target = sample()
    change = Torchvision(v2.Compose([v2.ColorJitter(brightness=0.5), v2.RandomVerticalFlip(1.0)]))
    before = torch.random.get_rng_state()
    changed, moved = change(image, target, generator(1))
    assert torch.equal(moved.masks, target.masks.flip(-2))
    assert not torch.equal(changed, image.flip(-2))
    assert torch.equal(changed, change(image, target, generator(1))[0])
    assert not torch.equal(changed, change(image, target, generator(2))[0])
    assert torch.equal(before, torch.random.get_rng_state())
    assert type(changed) is type(moved.masks) is torch.Tensor
