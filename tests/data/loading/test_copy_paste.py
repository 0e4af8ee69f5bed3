from __future__ import annotations

import pytest
import torch

from seemkit.data.loading.copy_paste import paste
from seemkit.errors import InputError
from seemkit.types import Phrase, Target


def sample(value: int, rows: slice, columns: slice, label: int, size: int = 64) -> tuple[torch.Tensor, Target]:
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[0, rows, columns] = True
    target = Target(mask, torch.tensor([label]), torch.tensor([False]), (Phrase("it", 0),), f"{value}.png")
    return torch.full((3, size, size), value, dtype=torch.uint8), target


def test_an_object_covers_what_is_under_it() -> None:
    one, other = sample(10, slice(0, 40), slice(0, 40), 1), sample(20, slice(20, 60), slice(20, 60), 2)
    one[1].ignored = torch.ones(64, 64, dtype=torch.bool)
    image, target = paste(one, other, torch.Generator())
    assert target.labels.tolist() == [1, 2]
    assert target.masks.sum(dim=(1, 2)).tolist() == [40 * 40 - 20 * 20, 40 * 40]
    assert not bool((target.masks[0] & target.masks[1]).any())
    assert torch.equal(image[0] == 20, target.masks[1])
    assert target.phrases == (Phrase("it", 0),)
    assert target.ignored is not None
    assert torch.equal(target.ignored, ~target.masks[1])
    assert one[1].masks.sum() == 1600  # the given sample is unchanged


def test_a_covered_object_is_gone() -> None:
    one, other = sample(10, slice(20, 30), slice(20, 30), 1), sample(20, slice(10, 60), slice(10, 60), 2)
    _, target = paste(one, other, torch.Generator())
    assert target.labels.tolist() == [2]
    assert target.phrases == ()


@pytest.mark.parametrize("change", ["small", "crowd"])
def test_nothing_to_paste(change: str) -> None:
    one, other = sample(10, slice(0, 40), slice(0, 40), 1), sample(20, slice(0, 4), slice(0, 4), 2)
    if change == "crowd":
        other = sample(20, slice(0, 40), slice(0, 40), 2)
        other[1].crowd[0] = True
    image, target = paste(one, other, torch.Generator())
    assert image is one[0]
    assert target is one[1]


def test_sizes_must_be_equal() -> None:
    with pytest.raises(InputError, match=r"10\.png and 20\.png differ in size"):
        paste(sample(10, slice(9), slice(9), 1), sample(20, slice(9), slice(9), 1, size=32), torch.Generator())
