"""The scenarios of the golden arrays, computed by seemkit: names of arrays and how to get each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from composed_scenarios import ComposedScenarios
from golden import CLASSES, PHRASES, Golden, inputs
from layer_arrays import Found, layer_arrays, region_vectors
from torch import Tensor

from seemkit import SEEM, Mask, Prompt, RegionOf, Text
from seemkit.model.outputs import Decoded, Draws
from seemkit.nn.context import ImageContext
from seemkit.nn.language import tokenize
from seemkit.nn.pixels import PIXEL_MEAN, normalize
from seemkit.postprocess.resize import restore
from seemkit.types import Size


class Scenarios:
    """All scenarios of one configuration.

    Args:
        golden: stored arrays, for the random choices of the reference.
        network: with the synthetic weights.
    """

    def __init__(self, golden: Golden, network: SEEM) -> None:
        self.golden = golden
        self.network = network
        self.stored = golden.arrays()
        self.pixels, self.masks = inputs(golden, network)
        self.one_each = network.architecture.visual_queries == 0 and network.architecture.table != "composed"
        self.context = network.encode_image([self.pixels])
        self.flipped = network.encode_image([self.pixels.flip(-1)])
        self.classes = network.embed_vocabulary(network.vocabulary)

    def run(self, wanted: Collection[str]) -> Found:
        """The arrays of all scenarios that have one of the `wanted` names."""
        names = dict.fromkeys(name.partition("/")[0] for name in wanted)
        if self.network.architecture.table == "composed":
            composed = ComposedScenarios(self.network, self.context, self.flipped, self.masks, self.classes)
            yield from composed.run(names)
        else:
            for prefix, part in self._parts().items():
                if any(name.startswith(prefix) for name in names):
                    yield from part()

    def _parts(self) -> dict[str, Callable[[], Found]]:
        """Scenarios by the beginning of their names."""
        return {
            "enc": self._encoder,
            "generic": lambda: self._layers(
                "generic", self.network.decode(self.context, objects=True, every_layer=True)
            ),
            "spatial": self._spatial,
            "grounding": self._grounding,
            "batch2": self._batch,
            "refimg": self._referred,
            "text": self._text,
            "interactive": self._interactive,
        }

    def _encoder(self) -> Found:
        network = self.network
        size = Size(*self.pixels.shape[1:])
        pixels = normalize([self.pixels], [size], network.architecture.multiple, network.level_embedding.weight)
        maps = network.backbone(pixels)
        for index, feature in enumerate(maps):
            yield f"enc/res{index + 2}", lambda feature=feature: feature
        pyramid = network.pixel_decoder(maps)
        yield "enc/mask_features", lambda: pyramid.mask_features
        for index, level in enumerate(pyramid.levels):
            yield f"enc/multi_scale{index}", lambda level=level: level
        fpn = network.architecture.pixel_decoder == "fpn"
        encode = network.pixel_decoder._encode
        yield "enc/transformer_encoder_features", lambda: encode(maps[-1]) if fpn else pyramid.levels[0]

    def _layers(self, scenario: str, decoded: Decoded) -> Found:
        """Predictions of all layers."""
        visual = decoded.prompts.get("visual_prompt")
        vectors = region_vectors(self.network, visual) if visual is not None and visual.regions is not None else {}
        return layer_arrays(self.network, self.classes, scenario, decoded, vectors)

    def _objects(self, positive: str, *, negative: bool) -> list[list[Mask]]:
        """The prompts of both objects; only the first has negative ones."""
        found = [[Mask(mask)] for mask in self.masks[positive]]
        if negative:
            found[0].append(Mask(self.masks["neg"][0], positive=False))
        return found

    def _arrange(self, objects: Sequence[list[Prompt]]) -> list[list[list[Prompt]]]:
        """v0 takes one object an image and repeats the image, v1 takes them together."""
        return [[described] for described in objects] if self.one_each else [list(objects)]

    def _images(self, context: ImageContext, objects: int) -> ImageContext:
        return context.repeat(0, objects) if self.one_each else context

    def _draws(self, scenario: str) -> Draws:
        found = {name: self.stored.get(f"{scenario}/{name}") for name in ("rand_query_idx", "memory_idx_per_layer")}
        return Draws(*(None if value is None else torch.from_numpy(value) for value in found.values()))

    def _previous(self) -> Tensor:
        """The masks of the first round: the stored ones, or seemkit's where only a part of them is stored."""
        stored = self.stored.get("spatial_pos/prev_mask")
        if stored is not None and stored.shape[-2:] == self.context.mask_features.shape[-2:]:
            return torch.from_numpy(stored).to(self.pixels)
        prompts = self._arrange(self._objects("pos", negative=False))
        images = self._images(self.context, len(self.masks["pos"]))
        return self._chosen(self.network.decode(images, prompts, draws=self._draws("spatial_pos")))

    def _spatial(self) -> Found:
        settings = (("pos", "pos", False, False), ("posneg", "pos", True, False), ("memory", "pos2", True, True))
        for name, positive, negative, remember in settings:
            prompts = self._arrange(self._objects(positive, negative=negative))
            images, previous = self._images(self.context, 2), self._previous() if remember else None
            for suffix, objects in (("", False), ("_seg", True)):
                scenario = f"spatial_{name}{suffix}"
                draws = self._draws(f"spatial_{name}")
                decoded = self.network.decode(
                    images, prompts, objects=objects, previous=previous, every_layer=True, draws=draws
                )
                yield from self._layers(scenario, decoded)
                yield f"{scenario}/prev_mask", lambda d=decoded: self._chosen(d)

    def _chosen(self, decoded: Decoded) -> Tensor:
        return self.network.select(decoded).masks()

    def _grounding(self) -> Found:
        for number, phrases in enumerate((PHRASES[:1], PHRASES)):
            decoded = self.network.decode(
                self.context, [[[Text(phrase)] for phrase in phrases]], objects=True, every_layer=True
            )
            yield from self._layers(f"grounding{number}", decoded)
            scores = self.network.text_scores(decoded.layers[-1]["text_query"], decoded.prompts)[0]
            answer = self.network.select(decoded)
            yield f"grounding{number}/similarity", lambda s=scores: s.T
            yield f"grounding{number}/matched_id", lambda a=answer: a.choice[0]
            yield f"grounding{number}/mask", lambda a=answer: a.masks()[0]

    def _batch(self) -> Found:
        """Two images: both objects and phrase 0; the flipped first object (v0: second) and phrase 1; memory."""
        objects, previous = self._objects("pos", negative=True), self._previous()
        flipped = [[Mask(mask.mask.flip(-1), mask.positive) for mask in described] for described in objects]
        if self.one_each:
            visual = [[objects[0]], [flipped[1]]]
            previous = torch.stack((previous[0], previous[1].flip(-1)))
        else:
            visual = [objects, flipped[:1]]
            previous = torch.cat((previous, previous.flip(-1)))
        prompts = [[*mine, [Text(phrase)]] for mine, phrase in zip(visual, PHRASES, strict=True)]
        context = self.network.encode_image([self.pixels, self.pixels.flip(-1)])
        draws = self._draws("batch2")
        decoded = self.network.decode(context, prompts, objects=True, previous=previous, every_layer=True, draws=draws)
        yield "batch2/in_prev_mask", lambda: previous
        yield "batch2/grounding_tokens_mask", lambda: ~decoded.prompts["text_prompt"].tokens.valid
        yield from self._layers("batch2", decoded)

    def _referred(self) -> Found:
        objects = self._objects("pos", negative=True)
        images = self._images(self.context, 2)
        group = self.network.encode_prompts(images, self._arrange(objects))["visual_prompt"]
        for sign, vectors in zip(("pos", "neg"), region_vectors(self.network, group).values(), strict=True):
            yield f"refimg_tokens/spatial_query_{sign}", lambda v=vectors: v.transpose(0, 1)
        for level in range(3):
            values = group.tokens.values[level].transpose(0, 1)
            yield f"refimg_tokens/src_spatial_queries{level}", lambda v=values: v
            yield f"refimg_tokens/src_spatial_maskings{level}", lambda: ~group.tokens.valid
        prompts = self._arrange([[RegionOf(self.context, tuple(described))] for described in objects])
        target = self._images(self.flipped, 2)
        fixed = self.golden.arrays("refimg_fixed")
        draws = Draws(torch.from_numpy(fixed["rand_query_idx"])) if fixed else Draws()
        decoded = self.network.decode(target, prompts, draws=draws)
        yield ("refimg_fixed/prev_mask" if fixed else "refimg_target/prev_mask"), lambda: self._chosen(decoded)

    def _text(self) -> Found:
        language, length = self.network.language, 77
        yield "text/class_emb_templates", lambda: self.classes
        raw = language([*CLASSES, "background"]).sentence
        yield "text/class_emb_raw_unnorm", lambda: raw
        yield "text/class_emb_raw_eval", lambda: raw / raw.norm(dim=-1, keepdim=True)
        for name, texts in (("class", (*CLASSES, "background")), ("phrase0", PHRASES[:1]), ("phrase1", PHRASES)):
            ids = tokenize(texts, length)
            yield f"text/{name}_ids", lambda i=ids: torch.nn.functional.pad(i, (0, length - i.shape[1]))
            features = language(texts)
            yield (
                f"text/{name}_attn",
                lambda f=features: torch.nn.functional.pad(f.valid, (0, length - f.valid.shape[1])),
            )
            yield f"text/{name}_token_emb", lambda f=features: f.tokens
            yield f"text/{name}_class_emb", lambda f=features: f.sentence

    def _interactive(self) -> Found:
        """Four rounds with the clicks that the official simulated user made; they may lie in the padding."""
        stored = self.golden.arrays("interactive")
        if not stored:
            return
        image, size = torch.from_numpy(stored["image"]), Size(*stored["image"].shape[1:])
        padded = self._pad(image, size)
        context = self._images(self.network.encode_image([padded]), 2)
        frame = Size(*stored["gt_orisize"].shape[1:])
        previous: Tensor | None = None
        for number in range(4):
            prompts = self._arrange(self._clicked(stored, number, Size(*padded.shape[1:])))
            draws = Draws(*self._round_draws(stored, number))
            decoded = self.network.decode(context, prompts, previous=previous, draws=draws)
            previous = self._chosen(decoded)
            yield f"interactive/round{number}/prev_mask", lambda p=previous: p[..., ::2, ::2]
            full = restore(previous.flatten(0, 1), Size(*padded.shape[1:]), size, frame, mode="bilinear") > 0
            truth = stored["gt_orisize"]
            yield f"interactive/mask_iou/{number}", lambda f=full, t=truth: torch.from_numpy(_iou(f.numpy(), t))

    def _pad(self, image: Tensor, size: Size) -> Tensor:
        multiple = self.network.architecture.multiple
        height, width = (-(-side // multiple) * multiple for side in size)
        mean = torch.tensor(PIXEL_MEAN, dtype=self.network.dtype)[:, None, None]
        canvas = mean.expand(-1, height, width).clone()
        canvas[:, : size.height, : size.width] = image.to(canvas)
        return canvas

    def _clicked(self, stored: dict[str, np.ndarray], number: int, padded: Size) -> list[list[Prompt]]:
        """What each object's prompts were before a round."""
        if number == 0:
            start = torch.zeros(2, *padded, dtype=torch.bool)
            first = torch.from_numpy(stored["rand_shape"])[:, 0]
            start[:, : first.shape[1], : first.shape[2]] = first
            return [[Mask(mask)] for mask in start]
        signs = {}
        for sign in ("pos", "neg"):
            bits = np.unpackbits(stored[f"round{number - 1}/{sign}_after"], axis=-1)[..., : padded.width]
            signs[sign] = torch.from_numpy(bits.astype(bool))
        return [
            [Mask(pos), *([Mask(neg, positive=False)] if bool(neg.any()) else [])]
            for pos, neg in zip(signs["pos"], signs["neg"], strict=True)
        ]

    @staticmethod
    def _round_draws(stored: dict[str, np.ndarray], number: int) -> tuple[Tensor | None, Tensor | None]:
        if "rand_query_idx" not in stored:
            return None, None
        queries = torch.from_numpy(stored["rand_query_idx"][number])
        memory = torch.from_numpy(stored["memory_idx"]).unflatten(0, (3, 9))[number - 1] if number else None
        return queries, memory


def _iou(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of each object, without the pixels marked -1."""
    valid = truth != -1
    inside = predicted & (truth > 0) & valid
    united = (predicted | (truth > 0)) & valid
    return inside.sum((1, 2)) / united.sum((1, 2))
