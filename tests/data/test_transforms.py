from __future__ import annotations

import pytest
import torch

from seemkit.data.transforms import Compose, HorizontalFlip, ResizeImage, ResizeShortestEdge, drop_vanished
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
