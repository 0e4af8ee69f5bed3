"""The prompts of one training step: which objects are clicked, and which phrases are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from seemkit.losses.group_losses import Targets
from seemkit.ops.transfer import send
from seemkit.prompts.encoder import Subject
from seemkit.prompts.sampler import ObjectPrompts, VisualSampler
from seemkit.prompts.values import Prompt, Text
from seemkit.training.config import Sampling
from seemkit.types import Phrase, Size, Target, Vocabulary

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SampledPrompts:
    """The prompts of one image in a step.

    Attributes:
        segments: rows of the target that are trained on, which excludes crowds.
        objects: visually prompted objects, as indices into `segments`.
        first_prompts: first prompts of each visually prompted object.
        phrases: phrases, where `Phrase.segment` is an index into `segments`. Several can have the same text.
        named: whether the phrases are class names, because the image has no phrases.
    """

    segments: list[int]
    objects: list[int]
    first_prompts: list[list[Prompt]]
    phrases: list[Phrase]
    named: bool

    @property
    def texts(self) -> list[str]:
        """Distinct texts of the phrases, in order."""
        return list(dict.fromkeys(phrase.text for phrase in self.phrases))

    @property
    def text_places(self) -> list[int]:
        """Index of each phrase's text in `texts`, and so in `decoded_objects`."""
        texts = self.texts
        return [texts.index(phrase.text) for phrase in self.phrases]

    def decoded_objects(self, clicked: Sequence[ObjectPrompts]) -> list[ObjectPrompts]:
        """Return all objects to decode: one for each text, then the clicked ones.

        Texts come first, so that `text_places` is right even if clicked objects have texts too.

        Args:
            clicked: prompts of each visually prompted object.
        """
        return [*([Text(text)] for text in self.texts), *clicked]


def sample_prompts(
    targets: Sequence[Target],
    vocabulary: Vocabulary,
    sampling: Sampling,
    sampler: VisualSampler,
    generators: Sequence[torch.Generator],
) -> list[SampledPrompts]:
    """Return visual prompts for random segments, and random phrases, for each image of a batch.

    Args:
        targets: targets of the images.
        vocabulary: classes of the data.
        sampling: numbers and kinds of the prompts.
        sampler: sampler with the encoders of the prompt kinds.
        generators: one generator for each image.
    """
    pairs = zip(targets, generators, strict=True)
    return [_sample_image(target, vocabulary, sampling, sampler, generator) for target, generator in pairs]


def _sample_image(
    target: Target, vocabulary: Vocabulary, sampling: Sampling, sampler: VisualSampler, generator: torch.Generator
) -> SampledPrompts:
    rows = [row for row, crowd in enumerate(target.crowd.tolist()) if not crowd]
    place = {row: index for index, row in enumerate(rows)}
    prompts = _first_prompts(target, rows, vocabulary, sampling, sampler, generator)
    phrases = _draw_phrases(target, rows, sampling.phrases, generator)
    named = sampling.name_classes and sampling.phrases > 0 and not phrases
    if named:
        phrases = _name_classes(target, rows, vocabulary, sampling.phrases, generator)
    return SampledPrompts(
        segments=rows,
        objects=[place[row] for row in prompts],
        first_prompts=list(prompts.values()),
        phrases=[replace(phrase, segment=place[phrase.segment]) for phrase in phrases],
        named=named,
    )


def pad_targets(
    targets: Sequence[Target], segments: Sequence[Sequence[int]], padded: Size, device: torch.device
) -> Targets:
    """Return the chosen segments of each image as one padded batch on `device`, with masks of the padded image size."""
    most = max(1, *(len(rows) for rows in segments))
    masks, labels = [], []
    for target, rows in zip(targets, segments, strict=True):
        missing = most - len(rows)
        right, below = padded.width - target.size.width, padded.height - target.size.height
        masks.append(F.pad(target.masks[list(rows)], (0, right, 0, below, 0, missing)))
        labels.append(F.pad(target.labels[list(rows)], (0, missing)))
    return _targets(send(torch.stack(masks), device), send(torch.stack(labels), device), segments)


def choose_targets(targets: Targets, places: Sequence[Sequence[int]]) -> Targets:
    """Return the targets of each image at `places`, which can repeat, padded to at least one."""
    most = max(1, *(len(rows) for rows in places))
    index = send(torch.tensor([[*rows, *[0] * (most - len(rows))] for rows in places]), targets.masks.device)
    image = torch.arange(len(index), device=index.device)[:, None]
    return _targets(targets.masks[image, index], targets.labels[image, index], places)


def _first_prompts(
    target: Target,
    rows: Sequence[int],
    vocabulary: Vocabulary,
    sampling: Sampling,
    sampler: VisualSampler,
    generator: torch.Generator,
) -> dict[int, list[Prompt]]:
    """Return the first prompts of random segments, by row."""
    things = [row for row in rows if sampling.stuff or vocabulary.things[int(target.labels[row])]]
    names = [vocabulary.names[int(target.labels[row])] for row in things]
    found: dict[int, list[Prompt]] = {}
    for row in _drawn(things, [sampling.frequencies.get(name, 1.0) for name in names], generator):
        if len(found) == sampling.objects:
            break
        first = sampling.user.first_prompts(_subject(target, row, vocabulary), sampler, generator)
        if first:
            found[row] = first
    return found


def _draw_phrases(target: Target, rows: Sequence[int], most: int, generator: torch.Generator) -> list[Phrase]:
    """Return one random phrase for each of a random number of segments that have phrases."""
    if not most:
        return []
    by_row: dict[int, list[Phrase]] = {}
    for phrase in target.phrases:
        if phrase.segment in rows:
            by_row.setdefault(phrase.segment, []).append(phrase)
    count = int(torch.randint(1, most + 1, (1,), generator=generator))
    return [_shuffled(by_row[row], generator)[0] for row in _shuffled(list(by_row), generator)[:count]]


def _name_classes(
    target: Target, rows: Sequence[int], vocabulary: Vocabulary, most: int, generator: torch.Generator
) -> list[Phrase]:
    """Return names of some classes of the image, each as a phrase for every segment of its class."""
    present = sorted({int(target.labels[row]) for row in rows})
    count = int(torch.randint(1, most + 1, (1,), generator=generator))
    return [
        Phrase(vocabulary.names[label], row)
        for label in _shuffled(present, generator)[:count]
        for row in rows
        if int(target.labels[row]) == label
    ]


def _subject(target: Target, row: int, vocabulary: Vocabulary) -> Subject:
    phrases = tuple(phrase.text for phrase in target.phrases if phrase.segment == row)
    return Subject(target.masks[row], vocabulary.names[int(target.labels[row])], phrases)


def _targets(masks: Tensor, labels: Tensor, chosen: Sequence[Sequence[int]]) -> Targets:
    """Return targets, of which each image has as many as were chosen; the others are padding."""
    counts = torch.tensor([len(rows) for rows in chosen])
    valid = send(torch.arange(masks.shape[1])[None] < counts[:, None], masks.device)
    return Targets(masks, valid, labels, [list(range(len(rows))) for rows in chosen])


def _drawn(items: Sequence[T], frequencies: Sequence[float], generator: torch.Generator) -> list[T]:
    """Return the items in a random order, each next one drawn from the rest in proportion to its frequency.

    Items with the frequency 0 are omitted.
    """
    if all(frequency == 1 for frequency in frequencies):
        return _shuffled(items, generator)
    weights = torch.tensor(frequencies)
    count = int((weights > 0).sum())
    return [items[i] for i in torch.multinomial(weights, count, generator=generator).tolist()] if count else []


def _shuffled(items: Sequence[T], generator: torch.Generator) -> list[T]:
    return [items[i] for i in torch.randperm(len(items), generator=generator).tolist()]
