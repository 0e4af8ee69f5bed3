"""SEEM: one network with two doors, `encode_image` and `decode`.

Source: Zou et al., Segment Everything Everywhere All at Once (arXiv 2304.06718).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit import pretrained, weights
from seemkit.architecture import Architecture
from seemkit.decoded import Decoded, Draws
from seemkit.errors import InputError
from seemkit.nn.backbone import Backbone
from seemkit.nn.click_field import ClickField
from seemkit.nn.context import ImageContext
from seemkit.nn.decoder import Decoder, PreviousMasks
from seemkit.nn.deformable import DeformablePixelDecoder
from seemkit.nn.heads import Embeddings, cosine_similarity
from seemkit.nn.language import CLASS_TEMPLATES, LanguageTower
from seemkit.nn.pixel_decoder import PixelDecoder
from seemkit.nn.position import sine_position
from seemkit.nn.queries import LearnedQueries
from seemkit.nn.region_head import RegionHead
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_PROMPT, TEXT_QUERY, VISUAL_PROMPT, VISUAL_QUERY, Tokens, composed
from seemkit.prompts.encoder import PromptContext
from seemkit.prompts.registry import installed
from seemkit.prompts.sampler import EncodedGroup, ImagePrompts, VisualSampler
from seemkit.types import Size, Vocabulary

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
PIXEL_DECODERS: Final = {"fpn": PixelDecoder, "deformable": DeformablePixelDecoder}


class SEEM(nn.Module):
    """The network.

    Args:
        architecture: its sizes and switches.
        vocabulary: the classes that a result is labelled with unless others are given.

    Attributes:
        visual_group: name of the query group that answers visual prompts.
        text_group: name of the query group that answers texts.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, architecture: Architecture, vocabulary: Vocabulary | None = None) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.vocabulary = vocabulary
        self.templates = a.templates or CLASS_TEMPLATES
        self.mask_width = a.width + a.click_field
        self.backbone = Backbone(a.backbone, a.backbone_options, a.backbone_levels, a.backbone_norm_eps)
        self.pixel_decoder = PIXEL_DECODERS[a.pixel_decoder](
            self.backbone.channels,
            a.width,
            a.width,
            heads=a.heads,
            hidden=a.encoder_hidden or a.hidden,
            layers=a.encoder_layers,
        )
        self.language = LanguageTower(a.text_width, a.text_layers, a.text_heads, a.width, logit_scale=a.logit_scale)
        self.level_embedding = nn.Embedding(3, a.width)
        self.queries = LearnedQueries(a.width, a.queries, a.memory, a.visual_queries)
        self.sampler = VisualSampler(a.width, installed(), a.prompts, unmarked=-1.0 if a.visual_queries else 0.0)
        self.visual_group = OBJECT_QUERY.name if a.composed else VISUAL_QUERY.name
        self.text_group = OBJECT_QUERY.name if a.composed else TEXT_QUERY.name
        self.decoder = Decoder(
            a.width,
            a.width,
            self.mask_width,
            layers=a.decoder_layers,
            heads=a.heads,
            hidden=a.hidden,
            values_carry_position=a.values_carry_position,
            region_head=RegionHead((*(a.width,) * 3, self.mask_width), a.width) if a.region_head else None,
        )
        self.click_field = ClickField(a.width, a.click_field, self.queries.copies) if a.click_field else None
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD)[:, None, None], persistent=False)

    @classmethod
    def from_pretrained(cls, source: str | Path, variant: str | None = None) -> Self:
        """A network with weights, in evaluation mode.

        Args:
            source: a folder with ``architecture.yaml`` and ``model.safetensors``, as `save` leaves it; a ``.pt`` file
                of the official code; or ``"organisation/name"`` on the Hugging Face Hub, for example
                ``"xdecoder/SEEM"``.
            variant: which published model, for example ``"focal-t-v1"``; for the official code's files only.

        Raises:
            InputError: a file is missing or does not fit.
        """
        found = pretrained.find(source, variant)
        network = cls(found.architecture, found.vocabulary)
        weights.fill(network, found.tensors, found.source)
        network.eval()
        if found.classes is not None:
            network.language.remember(found.classes.names, found.classes.templates, found.classes.vectors)
        return network

    def save(self, folder: str | Path) -> None:
        """Writes ``architecture.yaml``, ``model.safetensors`` and the vectors of its own class names into a folder."""
        classes = None
        if self.vocabulary is not None:
            with torch.no_grad():
                vectors = self.embed_vocabulary(self.vocabulary)
            classes = weights.ClassVectors(self.vocabulary.names, tuple(self.templates), vectors)
        weights.save(self, self.architecture, self.vocabulary, classes, Path(folder))

    def encode_image(self, images: Sequence[Tensor], frames: Sequence[Size] | None = None) -> ImageContext:
        """B images, ready for any number of decodes.

        Args:
            images: each [3, H, W], RGB, 0..255, of any sizes; they are padded on the right and at the bottom with the
                mean colour to a common size, a multiple of the architecture's `multiple`.
            frames: sizes in whose pixels prompts will be given, where these are not the images' own.
        """
        sizes = [Size(image.shape[-2], image.shape[-1]) for image in images]
        pixels = self._normalise(images, sizes)
        pyramid = self.pixel_decoder(self.backbone(pixels))
        features = pyramid.mask_features
        if self.click_field is not None:
            features = self.click_field.append_positions(features)
        shapes = [Size(level.shape[-2], level.shape[-1]) for level in pyramid.levels]
        levels = [
            level.flatten(2).transpose(1, 2) + embedding
            for level, embedding in zip(pyramid.levels, self.level_embedding.weight, strict=True)
        ]
        positions = [
            sine_position(*shape, levels[0].shape[2], device=features.device, dtype=levels[0].dtype).flatten(1).T[None]
            for shape in shapes
        ]
        resized = [F.interpolate(features, size=tuple(shape), mode="bilinear", align_corners=False) for shape in shapes]
        return ImageContext(
            levels,
            shapes,
            features,
            [level.flatten(2) for level in resized],
            self.decoder.read_image(levels, positions),
            Size(pixels.shape[-2], pixels.shape[-1]),
            sizes,
            list(frames) if frames is not None else sizes,
        )

    def decode(
        self,
        context: ImageContext,
        prompts: Sequence[ImagePrompts] | None = None,
        *,
        objects: bool = False,
        previous: Tensor | None = None,
        draws: Draws | None = None,
    ) -> Decoded:
        """Predictions for prompts, for all objects, or both; only what is asked for is computed.

        Args:
            context: the encoded images.
            prompts: for each image its objects, for each object its prompts.
            objects: True to predict all objects of the image without a prompt.
            previous: [B, P, H_m, W_m], mask logits of the previous round of the P visually prompted objects.
            draws: the reference's random choices, for comparing numbers.

        Raises:
            InputError: neither prompts nor objects are asked for, or a prompt is bad.
        """
        encoded = (
            self.sampler(prompts, PromptContext(context, self.language, self.sampler)) if prompts is not None else {}
        )
        tokens = self._tokens(len(context), encoded, objects, previous is not None, draws or Draws())
        bias = {}
        visual = encoded.get(VISUAL_PROMPT.name)
        if self.click_field is not None and visual is not None and visual.regions is not None:
            bias[VISUAL_QUERY.name] = self.click_field(visual.regions)
        memory = None
        if previous is not None and visual is not None and not self.architecture.composed:
            memory = PreviousMasks(previous, self._memory_slots(visual, draws or Draws()))
        return Decoded(self.decoder(context, tokens, memory, bias), encoded, context)

    def choose_visual(self, decoded: Decoded) -> Tensor:
        """For each visually prompted object, its query that fits the prompt best: int64 [B, P] into the group.

        The score is the dot product of mask embedding and pooled vector; an object chooses among its own queries, or
        among all where queries belong to nobody.
        """
        scores = self.visual_scores(decoded.layers[-1][self.visual_group], decoded.prompts)
        if self.architecture.composed:
            return scores.argmax(dim=2)
        own = scores.unflatten(2, (-1, self.queries.copies)).diagonal(dim1=1, dim2=2)  # [B, copies, P]
        first = torch.arange(scores.shape[1], device=scores.device) * self.queries.copies
        return own.argmax(dim=1) + first

    def visual_scores(self, queries: Embeddings, prompts: dict[str, EncodedGroup]) -> Float[Tensor, "*L B P R"]:
        """The score of every visual query for every visually prompted object: the dot product with its features."""
        pooled = prompts[VISUAL_PROMPT.name].pooled
        return pooled @ queries.masks.transpose(-1, -2)

    def text_scores(self, queries: Embeddings, prompts: dict[str, EncodedGroup]) -> Float[Tensor, "*L B P Q"]:
        """The score of every text query for every phrase: the scaled cosine of its class embedding."""
        pooled = prompts[TEXT_PROMPT.name].pooled
        similarity = cosine_similarity(queries.classes, pooled, self.language.phrase_scale)
        return similarity.transpose(-1, -2)

    def choose_text(self, decoded: Decoded) -> Tensor:
        """For each phrase the text query that fits it best: int64 [B, P] into the group."""
        return self.text_scores(decoded.layers[-1][self.text_group], decoded.prompts).argmax(dim=2)

    def class_logits(self, queries: Embeddings, classes: Float[Tensor, "K1 C"]) -> Float[Tensor, "*L B N K1"]:
        """Logits of K classes and the background, for class vectors as `LanguageTower.embed_classes` returns them."""
        return cosine_similarity(queries.classes, classes, self.language.scale)

    def panoptic_inputs(
        self, context: ImageContext, classes: Float[Tensor, "K1 C"]
    ) -> tuple[Float[Tensor, "B Q K1"], Float[Tensor, "B Q H W"]]:
        """What inference without a prompt starts from: class probabilities and mask logits of all object queries."""
        decoded = self.decode(context, objects=True)
        probabilities = self.class_logits(decoded.layers[-1][OBJECT_QUERY.name], classes).softmax(dim=-1)
        return probabilities, decoded.masks(OBJECT_QUERY.name)

    def embed_vocabulary(self, vocabulary: Vocabulary) -> Float[Tensor, "K1 C"]:
        """Class vectors of a vocabulary and the background, averaged over the templates."""
        return self.language.embed_classes(vocabulary.names, self.templates)

    def _tokens(
        self, batch: int, encoded: dict[str, EncodedGroup], objects: bool, remember: bool, draws: Draws
    ) -> list[Tokens]:
        """The groups that take part, those that look at the image first."""
        if self.architecture.composed:
            read = [replace(group.tokens, group=composed(group.tokens.group)) for group in encoded.values()]
            return [self.queries.object_tokens(batch), *read]
        tokens = [self.queries.object_tokens(batch)] if objects else []
        if TEXT_PROMPT.name in encoded:
            tokens.append(self.queries.text_tokens(batch))
        visual = encoded.get(VISUAL_PROMPT.name)
        if visual is not None:
            tokens.append(self.queries.visual_tokens(visual.owners, draws.queries))
            if remember:
                tokens.append(self.queries.memory_tokens(visual.owners, self._memory_slots(visual, draws)))
        if not tokens:
            raise InputError("nothing to decode: give prompts or objects=True")
        return tokens + [group.tokens for group in encoded.values()]

    def _memory_slots(self, visual: EncodedGroup, draws: Draws) -> Tensor:
        if draws.memory is None:
            return self.queries.deal_memory(visual.owners >= 0)
        return draws.memory[:, None].expand(-1, len(visual.owners), -1)

    def _normalise(self, images: Sequence[Tensor], sizes: Sequence[Size]) -> Tensor:
        multiple = self.architecture.multiple
        height, width = (-(-max(side) // multiple) * multiple for side in zip(*sizes, strict=True))
        padded = [
            F.pad(
                (image.to(self.pixel_mean) - self.pixel_mean) / self.pixel_std,
                (0, width - s.width, 0, height - s.height),
            )
            for image, s in zip(images, sizes, strict=True)
        ]
        return torch.stack(padded).contiguous(memory_format=torch.channels_last)
