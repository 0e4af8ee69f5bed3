"""One network, one image and its prompts: the calls that `speed.py` and other scripts time, in two implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import naive
import torch
from torch import Tensor

from seemkit.checkpoints.variants import VARIANTS
from seemkit.inference.session import Session
from seemkit.model.outputs import Draws
from seemkit.model.seem import SEEM
from seemkit.nn.context import ImageContext
from seemkit.postprocess.instance import instances
from seemkit.postprocess.panoptic import panoptic_map
from seemkit.postprocess.resize import restore_rows
from seemkit.postprocess.semantic import semantic_map_of_rows
from seemkit.prompts.values import Point, Prompt, Text
from seemkit.types import Size, Vocabulary

PRESETS = sorted(
    name.removesuffix("-v1")
    for name, architecture in VARIANTS.items()
    if name.endswith("-v1") and architecture.pixel_decoder == "fpn"
)
"""The published models with the pixel decoder that `naive` implements."""
CLASSES, CLICKS, SEGMENTS, SCORE = 133, 10, 20, 0.5


@dataclass
class Bench:
    """A network, an image and prompts, and the calls of each stage for both implementations.

    Args:
        preset: name of a published model without its version, which gets random weights; or a model for
            `SEEM.from_pretrained`, which the plain implementation cannot compute.
        side: side of the square image, in pixels.
        dtype: dtype of seemkit's weights. The plain implementation uses float64 for float64, otherwise float32.
    """

    preset: str
    side: int
    dtype: torch.dtype = torch.float32

    @cached_property
    def plain(self) -> SEEM:
        """The network in full precision: float64 if `dtype` is float64, else float32."""
        if self.preset not in PRESETS:
            return SEEM.from_pretrained(self.preset, image_side=self.side)
        torch.manual_seed(0)
        names = Vocabulary(tuple(f"class {index}" for index in range(CLASSES)), (True,) * CLASSES)
        network = SEEM(replace(VARIANTS[f"{self.preset}-v1"], templates=("{}",)), names).eval()
        return network.to(torch.promote_types(self.dtype, torch.float32))

    @cached_property
    def network(self) -> SEEM:
        """The network in the dtype that seemkit uses."""
        return Bench(self.preset, self.side).plain.to(self.dtype) if self.dtype == torch.bfloat16 else self.plain

    @cached_property
    def image(self) -> Tensor:
        """Image of noise at several scales."""
        generator = torch.Generator().manual_seed(1)
        grains = [torch.rand((1, 3, side, side), generator=generator) for side in (4, 16, 64, self.side)]
        size = (self.side, self.side)
        layers = [torch.nn.functional.interpolate(grain, size=size, mode="bilinear") for grain in grains]
        return torch.stack(layers).mean(dim=0)[0].mul(255)

    @cached_property
    def clicks(self) -> list[Point]:
        """Ten clicks, every third of them negative."""
        places = torch.rand((CLICKS, 2), generator=torch.Generator().manual_seed(2)) * (self.side - 1)
        return [Point(float(x), float(y), positive=index % 3 != 2) for index, (x, y) in enumerate(places.tolist())]

    @cached_property
    def session(self) -> Session:
        """Session with the encoded image and nine rounds of clicks of the object "ten"."""
        session = Session(self.network, self.image.byte())
        for click in self.clicks[:-1]:
            session.add(click, name="ten").predict(name="ten")
        session.panoptic()  # computes the class vectors
        return session

    @cached_property
    def bare(self) -> ImageContext:
        """The encoded image for the plain implementation, so that a stage shows its own differences only."""
        return naive.reread(self.plain.encode_image([self.image.byte()]))

    @cached_property
    def previous(self) -> Tensor:
        """Mask logits of the object "ten" after its ninth click."""
        played = self.session._history["ten"].played
        assert played is not None
        return played.masks[0][0, 0].to(self.plain.dtype)

    @cached_property
    def classes(self) -> Tensor:
        """Class vectors of the network in full precision; they do not affect the masks, which are compared."""
        assert self.plain.vocabulary is not None
        return self.plain.embed_vocabulary(self.plain.vocabulary)

    @cached_property
    def draws(self) -> Draws:
        """Random choices of the session."""
        return Draws(queries=self.plain.queries.draw(1, 0))

    @cached_property
    def generic(self) -> tuple[Tensor, Tensor]:
        """Class probabilities and mask logits with `SEGMENTS` confident queries."""
        generator = torch.Generator().manual_seed(3)
        logits = torch.randn((101, CLASSES + 1), generator=generator)
        logits[:, -1] += 8
        logits[torch.arange(SEGMENTS) * 5, torch.arange(SEGMENTS) * 6] += 20
        coarse = torch.randn((1, 101, 8, 8), generator=generator)
        masks = torch.nn.functional.interpolate(coarse, size=(self.side // 4,) * 2, mode="bicubic")[0] * 6 - 4
        return logits.softmax(dim=1), masks

    def stages(self) -> dict[str, dict[str, Callable[[], Tensor]]]:
        """Return the calls by stage and implementation; a call returns the tensor to compare."""
        return {
            "encode": {
                "seemkit": lambda: self.network.encode_image([self.image.byte()]).mask_features,
                "naive": lambda: naive.encode(self.plain, self.image.byte().to(self.plain.dtype)).mask_features,
            },
            "to the first click": {
                "seemkit": lambda: self.network.encode_image([self.image.byte()]).prepare().mask_features,
                "naive": lambda: naive.encode(self.plain, self.image.byte().to(self.plain.dtype)).mask_features,
            },
            "generic decode": {
                "seemkit": self._objects,
                "naive": lambda: naive.objects(self.plain, self.bare, self.classes)[1],
            },
            "first click": {
                "seemkit": lambda: self.session.predict(self.clicks[0]).logits,
                "naive": lambda: self._naive_prompts(self.clicks[:1], None),
            },
            "tenth click": {
                "seemkit": self._tenth,
                "naive": lambda: self._naive_prompts(self.clicks, self.previous),
            },
            "text": {
                "seemkit": lambda: self.session.predict(Text("a red thing beside a blue one")).logits,
                "naive": lambda: self._naive_prompts([Text("a red thing beside a blue one")], None),
            },
            "whole image": {"seemkit": self._whole_image, "naive": self._naive_whole_image},
        }

    def warm(self, stage: str | None = None, way: str | None = None) -> None:
        """Compute the inputs of a stage and an implementation; None means all."""
        _ = self.network, self.plain, self.image, self.draws, self.generic
        if stage in ("encode", "to the first click", "whole image"):
            return
        if way != "naive" or stage == "tenth click":
            _ = self.session
        if way != "seemkit":
            _ = self.bare, self.previous if stage in (None, "tenth click") else None
        _ = self.classes

    def _objects(self) -> Tensor:
        return self.network.panoptic_inputs(self.session.context, self.classes.to(self.dtype))[1][0]

    def _whole_image(self) -> Tensor:
        size = Size(self.side, self.side)
        (probabilities, masks), things = self.generic, (True,) * CLASSES
        enlarge = partial(naive.enlarge, size=size)
        ids = panoptic_map(probabilities, masks, things, SCORE, enlarge=enlarge).ids
        instances(probabilities, masks, things, enlarge=enlarge)
        labels = semantic_map_of_rows(probabilities, restore_rows(masks, size, size, size))
        return torch.stack((ids, labels))

    def _naive_whole_image(self) -> Tensor:
        probabilities, masks = self.generic
        full = naive.enlarge(masks, Size(self.side, self.side))
        ids = naive.panoptic(probabilities, full, (True,) * CLASSES, SCORE)
        naive.instances(probabilities, full)
        return torch.stack((ids, naive.semantic(probabilities, full)))

    def _tenth(self) -> Tensor:
        found = self.session.add(self.clicks[-1], name="ten").predict(name="ten").logits
        self.session.undo()
        return found

    def _naive_prompts(self, prompts: list[Prompt], previous: Tensor | None) -> Tensor:
        return naive.prompted(self.plain, self.bare, prompts, previous, self.draws)
