"""The lesson of one training step: which objects are clicked and which phrases are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from seemkit.losses.criterion import Targets
from seemkit.prompts.encoder import Subject
from seemkit.prompts.sampler import VisualSampler
from seemkit.prompts.values import Prompt
from seemkit.training.recipe import Sampling
from seemkit.types import Phrase, Size, Target, Vocabulary

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a step asks of each image of a batch.

    Attributes:
        segments: for each image the rows of its target that are trained on (crowds are not).
        objects: for each image the visually prompted objects, as places in `segments`.
        first_prompts: for each of these its first prompts.
        phrases: for each image the phrases; `Phrase.segment` is a place in `segments`.
    """

    segments: list[list[int]]
    objects: list[list[int]]
    first_prompts: list[list[list[Prompt]]]
    phrases: list[list[Phrase]]


def draw_lesson(
    targets: Sequence[Target],
    vocabulary: Vocabulary,
    sampling: Sampling,
    sampler: VisualSampler,
    generator: torch.Generator,
) -> Lesson:
    """A lesson for a batch: random things that can be prompted, and random phrases."""
    lesson = Lesson([], [], [], [])
    for target in targets:
        rows = [row for row, crowd in enumerate(target.crowd.tolist()) if not crowd]
        place = {row: index for index, row in enumerate(rows)}
        things = [row for row in rows if vocabulary.things[int(target.labels[row])]]
        objects: list[int] = []
        prompts: list[list[Prompt]] = []
        for row in _shuffled(things, generator):
            if len(objects) == sampling.objects:
                break
            first = sampling.user.first_prompts(_subject(target, row, vocabulary), sampler, generator)
            if first:
                objects.append(place[row])
                prompts.append(first)
        asked = [phrase for phrase in target.phrases if phrase.segment in place]
        count = int(torch.randint(1, sampling.phrases + 1, (1,), generator=generator))
        chosen = [
            Phrase(phrase.text, place[phrase.segment], phrase.tags) for phrase in _shuffled(asked, generator)[:count]
        ]
        lesson.segments.append(rows)
        lesson.objects.append(objects)
        lesson.first_prompts.append(prompts)
        lesson.phrases.append(chosen)
    return lesson


def pad_targets(targets: Sequence[Target], segments: Sequence[Sequence[int]], padded: Size) -> Targets:
    """The chosen segments of each image as one padded batch over the padded image area."""
    most = max(1, *(len(rows) for rows in segments))
    masks, labels = [], []
    for target, rows in zip(targets, segments, strict=True):
        missing = most - len(rows)
        right, below = padded.width - target.size.width, padded.height - target.size.height
        masks.append(F.pad(target.masks[list(rows)].float(), (0, right, 0, below, 0, missing)))
        labels.append(F.pad(target.labels[list(rows)], (0, missing)))
    return Targets(
        torch.stack(masks), _valid([len(rows) for rows in segments], most).to(masks[0].device), torch.stack(labels)
    )


def choose_targets(targets: Targets, places: Sequence[Sequence[int]], least: int = 1) -> Targets:
    """For each image the targets at `places` (which may repeat), padded to at least so many."""
    most = max(least, *(len(rows) for rows in places))
    index = torch.tensor([[*rows, *[0] * (most - len(rows))] for rows in places], device=targets.masks.device)
    image = torch.arange(len(index), device=index.device)[:, None]
    valid = _valid([len(rows) for rows in places], most).to(index.device)
    return Targets(targets.masks[image, index], valid, targets.labels[image, index])


def _subject(target: Target, row: int, vocabulary: Vocabulary) -> Subject:
    phrases = tuple(phrase.text for phrase in target.phrases if phrase.segment == row)
    return Subject(target.masks[row], vocabulary.names[int(target.labels[row])], phrases)


def _valid(counts: Sequence[int], most: int) -> Tensor:
    return torch.arange(most)[None] < torch.tensor(counts)[:, None]


def _shuffled(items: Sequence[T], generator: torch.Generator) -> list[T]:
    return [items[i] for i in torch.randperm(len(items), generator=generator).tolist()]
