"""One process of two that share the updates of `update`; test_two_processes.py runs it twice."""

from __future__ import annotations

import sys

import torch
import torch.distributed
from torchmetrics import Metric

from seemkit.metrics.interactive import InteractiveIoU
from seemkit.metrics.miou import MeanIoU
from seemkit.metrics.panoptic import PanopticQuality
from seemkit.metrics.referring import ReferringIoU
from seemkit.metrics.video import VideoQuality
from seemkit.types import Panoptic, Segment, Vocabulary

IMAGES = 5


def metrics() -> dict[str, Metric]:
    return {
        "panoptic": PanopticQuality(Vocabulary(("a", "b", "c"), (True, True, False))),
        "miou": MeanIoU(3),
        "referring": ReferringIoU(("even",)),
        "interactive": InteractiveIoU(max_clicks=4),
        "video": VideoQuality(),
    }


def update(metric: Metric, name: str, image: int) -> None:
    """Adds image `image`, always the same, with a size and a number of objects of its own."""
    generator = torch.Generator().manual_seed(image)
    shape = (4 + image, 7)
    labels = torch.randint(0, 3, shape, generator=generator)
    noisy = torch.where(torch.rand(shape, generator=generator) < 0.2, 0, labels)
    if name == "panoptic":
        target, predicted = (Panoptic(m + 1, [Segment(i + 1, i) for i in m.unique().tolist()]) for m in (labels, noisy))
        metric.update(predicted, target)
    elif name == "miou":
        metric.update(noisy, labels - (labels == 2) * 3)
    elif name == "referring":
        masks = labels == torch.arange(image + 1)[:, None, None]
        metric.update(masks & (noisy > 0), masks, [("even",) if i % 2 == 0 else () for i in range(image + 1)])
    elif name == "video":
        metric.update(*torch.rand(2, 4 + image, image + 1, generator=generator, dtype=torch.float64))
    else:
        metric.update(torch.rand(image + 1, 4, generator=generator, dtype=torch.float64))


def main(rank: int, store: str, result: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    values = {}
    for name, metric in metrics().items():
        for image in range(rank, IMAGES, 2):
            update(metric, name, image)
        values[name] = metric.compute()
    panoptic = PanopticQuality(Vocabulary(("a", "b", "c"), (True, True, False)))
    if rank == 0:  # the other process has nothing to add, and takes part all the same
        update(panoptic, "panoptic", 0)
    values["per_class"] = panoptic.per_class()
    torch.save(values, f"{result}{rank}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
