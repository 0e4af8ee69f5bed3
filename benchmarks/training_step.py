"""Compare memory and time of a training step of the full-size decoder in seemkit and in a plain implementation.

    python benchmarks/training_step.py --json OUT [--side 512] [--batch 2] [--repeats 3] [--rounds 0]

The plain implementation, `naive.py`, computes like the reference. Both use the same weights, images, prompts and random
points, so their losses agree. The encoder is frozen; its features are given. A step decodes object, text and visual
queries with memory, computes all losses on all 10 predictions and runs backward. Before it come `--rounds` rounds of
clicks without gradient; training draws 0 to 5. Peak memory is what a new process needs above the network and its input,
measured on Linux. Times are paired: one step of each implementation in turn, several times; the ratio is that of the
medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import naive
import torch
from memory import peak_of, peak_of_process
from torch import Tensor

from seemkit.losses import group_losses
from seemkit.losses.group_losses import Targets
from seemkit.losses.matching import choice_cost, class_cost
from seemkit.losses.term import Term
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.nn.context import ImageContext
from seemkit.nn.heads import Embeddings
from seemkit.prompts.sampler import ImagePrompts
from seemkit.prompts.values import Point, Prompt
from seemkit.training.set_criterion import SetCriterion
from seemkit.training.step_prompts import SampledPrompts
from seemkit.types import Phrase, Size, Vocabulary

SEGMENTS, OBJECTS, PHRASES, CLASSES = 12, 10, 4, 133
WAYS = ("seemkit", "naive")
MEMORY_BAR, TIME_BAR, AGREEMENT = 0.4, 0.6, 1e-4
FULL_SIZE = Architecture(backbone="resnet", backbone_levels=(1, 2, 3, 4), text_layers=1, templates=("{}",))
"""Architecture with the default decoder. Backbone and text tower are small, because a step does not run them."""


@dataclass
class Problem:
    """The inputs of a step; the mask features channels first (plain implementation) and channels last (seemkit)."""

    network: SEEM
    levels: list[Tensor]
    features: Tensor
    features_last: Tensor
    prompts: list[ImagePrompts]
    previous: Tensor
    targets: Targets
    sampled: list[SampledPrompts]
    classes: Tensor

    @property
    def clicks(self) -> list[list[list[Prompt]]]:
        """First prompts by image and object."""
        return [one.first_prompts for one in self.sampled]

    @classmethod
    def draw(cls, side: int, batch: int) -> Problem:
        """Return a random problem: discs as segments, one click on each of ten of them, and four phrases per image."""
        torch.manual_seed(0)
        network = SEEM(FULL_SIZE, Vocabulary(tuple(f"class {k}" for k in range(CLASSES)), (True,) * CLASSES))
        for part in (network.backbone, network.pixel_decoder, network.language):
            part.requires_grad_(False)
        levels = [torch.randn(batch, (side // stride) ** 2, FULL_SIZE.embed_dim) for stride in (32, 16, 8)]
        features = torch.randn(batch, FULL_SIZE.embed_dim, side // 4, side // 4) / FULL_SIZE.embed_dim**0.5
        centers = torch.rand(batch, SEGMENTS, 2) * side
        grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy"), dim=-1)
        away = (grid[None, None] - centers[:, :, None, None]).norm(dim=-1)
        masks = away < torch.linspace(side / 16, side / 4, SEGMENTS)[None, :, None, None]
        valid = torch.ones(batch, SEGMENTS, dtype=torch.bool)
        texts = [f"phrase number {n}" for n in range(PHRASES)]
        clicks = [[[Point(float(x), float(y))] for x, y in image[:OBJECTS]] for image in centers]
        phrases = [Phrase(text, n) for n, text in enumerate(texts)]
        sampled = [
            SampledPrompts(list(range(SEGMENTS)), list(range(OBJECTS)), image, phrases, named=False) for image in clicks
        ]
        with torch.no_grad():
            classes = network.embed_vocabulary(network.vocabulary)
        return cls(
            network,
            levels,
            features,
            features.contiguous(memory_format=torch.channels_last),
            [one.decoded_objects(one.first_prompts) for one in sampled],
            torch.randn(batch, OBJECTS, side // 4, side // 4),
            Targets(masks, valid, torch.randint(CLASSES, (batch, SEGMENTS))),
            sampled,
            classes,
        )

    def context(self) -> ImageContext:
        """Return the encoded images as `SEEM.encode_image` does, including keys and values of all layers."""
        context = self.bare_context()
        features = self.features_last
        resized = [torch.nn.functional.interpolate(features, size=tuple(s), mode="bilinear") for s in context.shapes]
        return replace(
            context,
            mask_features=features,
            level_mask_features=resized,
            region_features=features,
            keys_values=self.network.decoder.read_image(self.levels, context.shapes),
        )

    def bare_context(self) -> ImageContext:
        """Return the pyramid and the mask features, which the plain implementation reads."""
        side = self.features.shape[-1] * 4
        shapes = [Size(side // stride, side // stride) for stride in (32, 16, 8)]
        sizes = [Size(side, side)] * len(self.features)
        return ImageContext(self.levels, shapes, self.features, [], self.features, [], sizes[0], sizes, sizes)

    def generators(self) -> list[torch.Generator]:
        """Return new generators, one per image, with the same seeds each time."""
        return [torch.Generator().manual_seed(image) for image in range(len(self.features))]

    def objective(self) -> SetCriterion:
        """Return the criterion with all losses and the reference's weights."""
        return SetCriterion(self.network, LossWeights(), self.classes, self.generators())


def step_seemkit(problem: Problem, rounds: int) -> Tensor:
    """Return the loss as seemkit computes it."""
    network, context, previous = problem.network, problem.context(), problem.previous
    with torch.no_grad():
        for _ in range(rounds):
            previous = network.select(network.decode(context, problem.clicks, previous=previous)).masks()
    decoded = network.decode(context, problem.prompts, objects=True, previous=previous, every_layer=True)
    terms = problem.objective()(decoded, problem.targets, problem.sampled)
    return torch.stack([term.mean for term in terms.values()]).sum()


def step_naive(problem: Problem, rounds: int) -> Tensor:
    """Return the same loss, computed from the masks of all queries at all layers."""
    context, objective, previous = problem.bare_context(), problem.objective(), problem.previous
    with torch.no_grad():
        for _ in range(rounds):
            found, encoded = naive.decode_all(problem.network, context, problem.clicks, previous)
            last = found[-1]["visual_query"]
            best = problem.network.visual_scores(last.embeddings, encoded)
            copies = problem.network.queries.copies
            own = torch.stack([best[:, o, o * copies : (o + 1) * copies] for o in range(OBJECTS)], dim=1).argmax(dim=2)
            index = own + torch.arange(OBJECTS) * copies
            previous = last.masks.gather(1, index[:, :, None, None].expand(-1, -1, *last.masks.shape[2:]))
    found, encoded = naive.decode_all(problem.network, context, problem.prompts, previous)
    total = torch.zeros(())
    points = objective.loss_weights.points
    drawn = [torch.rand((1, points, 2), generator=generator) for generator in objective.generators]
    for group, chosen in (
        ("object_query", list(range(SEGMENTS))),
        ("text_query", list(range(PHRASES))),
        ("visual_query", list(range(OBJECTS))),
    ):
        layers = [layer[group] for layer in found]
        stacked = Embeddings(*(torch.stack(part) for part in zip(*(p.embeddings for p in layers), strict=True)))
        every = problem.targets
        targets = Targets(*(part[:, chosen] for part in (every.masks, every.valid, every.labels)))
        total = total + _loss(group, [p.masks for p in layers], stacked, targets, encoded, objective, drawn)
    return total


def _loss(
    group: str,
    masks: list[Tensor],
    stacked: Embeddings,
    targets: Targets,
    encoded: dict,
    objective: SetCriterion,
    drawn: list,
) -> Tensor:
    network, settings = objective.network, objective.loss_weights
    weights, copies = {
        "object_query": (settings.objects, 0),
        "text_query": (settings.phrases, 0),
        "visual_query": (settings.visual, network.queries.copies),
    }[group]
    if group == "object_query":
        logits = network.class_logits(stacked, objective.classes)
        cost = class_cost(logits, targets)
    else:
        score = network.text_scores if group == "text_query" else network.visual_scores
        logits = score(stacked, encoded)
        cost = choice_cost(logits)
    queries, bce, dice = naive.mask_losses(
        masks, cost, targets, settings.points, drawn, objective.generators, settings.cost, copies
    )
    choice: Term = (
        group_losses.class_choice(logits, queries, targets)
        if group == "object_query"
        else group_losses.query_choice(logits, queries)
    )
    count = targets.valid.sum()
    return weights.choice * choice.mean + (weights.bce * bce + weights.dice * dice) / count


STEPS = {"seemkit": step_seemkit, "naive": step_naive}


def run(problem: Problem, way: str, rounds: int = 0) -> tuple[float, float, Tensor]:
    """Return the loss, the seconds and the gradient of one step."""
    problem.network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    loss = STEPS[way](problem, rounds)
    loss.backward()
    seconds = time.perf_counter() - start
    gradient = torch.cat([p.grad.flatten() for p in problem.network.decoder.parameters() if p.grad is not None])
    return loss.item(), seconds, gradient


def peak(way: str, side: int, batch: int, rounds: int) -> int:
    """Return the peak memory of a step in a new process, in bytes."""
    sizes = {"--side": side, "--batch": batch, "--rounds": rounds}
    return peak_of_process(__file__, "--peak-of", way, *(str(word) for pair in sizes.items() for word in pair))


def measure(side: int, batch: int, repeats: int, rounds: int = 0) -> dict[str, object]:
    """Return all figures."""
    peaks = {way: peak(way, side, batch, rounds) for way in WAYS}
    problem = Problem.draw(side, batch)
    rows = [{way: run(problem, way, rounds) for way in WAYS} for _ in range(repeats)]
    seconds = {way: statistics.median(row[way][1] for row in rows) for way in WAYS}
    ours, other = (rows[0][way] for way in WAYS)
    return {
        "side": side,
        "batch": batch,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "peak_mib": {way: round(value / 2**20) for way, value in peaks.items()},
        "seconds": seconds,
        "memory_ratio": peaks["seemkit"] / peaks["naive"],
        "time_ratio": seconds["seemkit"] / seconds["naive"],
        "loss_difference": abs(ours[0] - other[0]) / abs(other[0]),
        "gradient_difference": ((ours[2] - other[2]).norm() / other[2].norm()).item(),
    }


def main() -> int:
    """Print the figures and return 0 if both ratios keep their limits and the losses agree, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        problem = Problem.draw(options.side, options.batch)
        print(peak_of(lambda: run(problem, options.peak_of, options.rounds)))
        return 0
    found = measure(options.side, options.batch, options.repeats, options.rounds)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    good = found["memory_ratio"] <= MEMORY_BAR and found["time_ratio"] <= TIME_BAR
    return 0 if good and found["loss_difference"] <= AGREEMENT else 1


if __name__ == "__main__":
    sys.exit(main())
