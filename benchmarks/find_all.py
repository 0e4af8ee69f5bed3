"""Measure `Session.find_all`: AP50 of what class names, phrases and examples find in held-out scenes.

    python benchmarks/find_all.py [--model scenes-tiny] [--scenes 200]

Every class of things is asked for by its name in every scene; the figure is the mean over classes. A phrase is the
color and shape of a thing; it means all things of this color and shape. An example is a click in the middle of a thing,
or the thing's mask in another scene; it means all things of its class. These are asked for once for each thing, in one
class of queries.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from seemkit import SEEM, Mask, RegionOf, Session, Text
from seemkit.data.scenes.scene import Scene, make_scene
from seemkit.inference.prediction import Prediction
from seemkit.interactive.clicker import center_click
from seemkit.metrics.average_precision import AveragePrecision
from seemkit.types import Instances, Target, Vocabulary

SCENE_SEED, LEAST_AREA, LOWEST = 0, 10, 0.01
ONE = Vocabulary(("meant",), (True,))


class Things:
    """The things of a scene, with their masks.

    Args:
        scene: the scene.
    """

    def __init__(self, scene: Scene) -> None:
        masks = {thing.id: torch.from_numpy(scene.ids == thing.id) for thing in scene.things}
        self.things = [thing for thing in scene.things if int(masks[thing.id].sum()) >= LEAST_AREA]
        self.masks = [masks[thing.id] for thing in self.things]
        self.image = torch.from_numpy(scene.image).permute(2, 0, 1).contiguous()

    def of_shape(self, shape: str) -> list[Tensor]:
        """Return the masks of the things of a class."""
        return [mask for thing, mask in zip(self.things, self.masks, strict=True) if thing.shape == shape]

    def of_color(self, color: str, shape: str) -> list[Tensor]:
        """Return the masks of the things of a color and class."""
        pairs = zip(self.things, self.masks, strict=True)
        return [mask for thing, mask in pairs if (thing.color, thing.shape) == (color, shape)]


class Counted:
    """AP50 of one kind of query, and the numbers of queries and objects.

    Args:
        vocabulary: classes of the queries.
    """

    def __init__(self, vocabulary: Vocabulary = ONE) -> None:
        self.metric = AveragePrecision(vocabulary)
        self.queries = self.objects = 0

    def add(self, image: str, found: Sequence[tuple[int, Prediction]], truth: Sequence[tuple[int, Tensor]]) -> None:
        """Add what was found and what is there in an image, each with its class."""
        labels = torch.tensor([label for label, _ in truth], dtype=torch.int64)
        size = (truth or found)[0][1]
        masks = _stack([mask for _, mask in truth], size if isinstance(size, Tensor) else size.mask)
        target = Target(masks, labels, torch.zeros(len(truth), dtype=torch.bool))
        best = sorted(found, key=lambda pair: -pair[1].score)
        instances = Instances(
            _stack([one.mask for _, one in best], masks),
            torch.tensor([label for label, _ in best], dtype=torch.int64),
            torch.tensor([one.score for _, one in best]),
            torch.arange(len(best)),
        )
        self.metric.update(image, instances, target)
        self.objects += len(truth)


def _stack(masks: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.stack(list(masks)) if masks else torch.zeros((0, *like.shape[-2:]), dtype=torch.bool)


def measure(network: SEEM, scenes: Iterable[int], split: str) -> dict[str, Counted]:
    """Return the figures by kind of query."""
    vocabulary = network.vocabulary
    assert vocabulary is not None
    counted = {"class name": Counted(vocabulary), "phrase": Counted(), "click": Counted(), "region": Counted()}
    chosen, drawn = list(scenes), random.Random(0)
    everything = {index: Things(make_scene(SCENE_SEED, split, index)) for index in chosen}
    for index, scene in everything.items():
        session = Session(network, scene.image)
        found = [
            (label, one)
            for label, name in enumerate(vocabulary.names)
            if vocabulary.things[label]
            for one in session.find_all(Text(name), threshold=LOWEST)
        ]
        truth = [(vocabulary.names.index(t.shape), mask) for t, mask in zip(scene.things, scene.masks, strict=True)]
        counted["class name"].add(f"{index}", found, truth)
        counted["class name"].queries += sum(vocabulary.things)
        for color, shape in sorted({(thing.color, thing.shape) for thing in scene.things}):
            ask(
                counted["phrase"],
                f"{index}/{color}/{shape}",
                session,
                Text(f"{color} {shape}"),
                scene.of_color(color, shape),
            )
        for number, (thing, mask) in enumerate(zip(scene.things, scene.masks, strict=True)):
            ask(counted["click"], f"{index}/{number}", session, center_click(mask), scene.of_shape(thing.shape))
            others = [other for place, other in everything.items() if place != index and other.of_shape(thing.shape)]
            if others:
                other = drawn.choice(others)
                region = RegionOf(other.image, (Mask(drawn.choice(other.of_shape(thing.shape))),))
                ask(counted["region"], f"{index}/{number}", session, region, scene.of_shape(thing.shape))
    return counted


def ask(counted: Counted, name: str, session: Session, prompt: object, truth: Sequence[Tensor]) -> None:
    """Add a query and its answer."""
    found = session.find_all(prompt, threshold=LOWEST)  # type: ignore[arg-type]
    counted.add(name, [(0, one) for one in found], [(0, mask) for mask in truth])
    counted.queries += 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="scenes-tiny", help="model, as for SEEM.from_pretrained")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    found = measure(SEEM.from_pretrained(options.model), range(options.scenes), options.split)
    print(f"{options.scenes} scenes of split {options.split!r}, model {options.model}")
    for kind, counted in found.items():
        ap = float(counted.metric.compute()["ap_50"])
        print(f"{kind:12}AP50 {ap:.3f}  {counted.queries} queries, {counted.objects} objects")


if __name__ == "__main__":
    main()
