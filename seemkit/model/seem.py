"""SEEM, the network; `encode_image` and `decode` are its entry points.

Source: Zou et al., Segment Everything Everywhere All at Once (arXiv 2304.06718).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.checkpoints.find import find
from seemkit.checkpoints.format import ClassVectors, build_filled, save_model
from seemkit.errors import InputError
from seemkit.model.outputs import Decoded, Draws
from seemkit.model.parts import build_click_field, build_decoder, build_language, build_pixel_decoder
from seemkit.model.precision import Dtype, choose_device, choose_dtype
from seemkit.model.query_selection import SelectedQueries, family, scores, select
from seemkit.nn.architecture import Architecture
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.context import ImageContext, level_tokens
from seemkit.nn.decoder import PreviousMasks
from seemkit.nn.heads import Embeddings, cosine_similarity
from seemkit.nn.language import imagenet_templates
from seemkit.nn.pixels import normalize
from seemkit.nn.queries import LearnedQueries
from seemkit.nn.region_head import region_features
from seemkit.nn.tokens import (
    OBJECT_QUERY,
    TABLES,
    TEXT_PROMPT,
    TEXT_QUERY,
    VISUAL_PROMPT,
    VISUAL_QUERY,
    Tokens,
)
from seemkit.prompts.encoder import OtherImages, PromptContext
from seemkit.prompts.groups import EncodedGroup, spread
from seemkit.prompts.registry import installed
from seemkit.prompts.sampler import ImagePrompts, VisualSampler
from seemkit.prompts.values import Prompt
from seemkit.types import Size, Vocabulary


class SEEM(nn.Module):
    """The network.

    Args:
        architecture: sizes and options of the network.
        vocabulary: default classes for labels of predictions.
    """

    def __init__(self, architecture: Architecture, vocabulary: Vocabulary | None = None) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.vocabulary = vocabulary
        self.templates = a.templates or imagenet_templates()
        self.mask_dim = a.embed_dim + a.click_field
        self.backbone = Backbone(a.backbone, a.backbone_options, a.backbone_levels, a.backbone_norm_eps)
        self.pixel_decoder = build_pixel_decoder(a, self.backbone.channels)
        self.language = build_language(a)
        self.level_embedding = nn.Embedding(3, a.embed_dim)
        self.queries = LearnedQueries(a.embed_dim, a.queries, a.memory, a.visual_queries)
        unmarked = -1.0 if a.visual_queries else 0.0
        self.sampler = VisualSampler(a.embed_dim, installed(), a.prompts, a.visual_points, unmarked)
        self.visibility = TABLES[a.table]
        self.composed = a.table == "composed"
        self.decoder = build_decoder(a, self.mask_dim)
        self.click_field = build_click_field(a, self.queries.copies)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        variant: str | None = None,
        *,
        device: str = "cpu",
        dtype: Dtype = "float32",
        compile: bool = False,  # noqa: A002 (torch's word)
    ) -> Self:
        """Return a network with pretrained weights, in evaluation mode.

        Args:
            source: ``"scenes-tiny"``, which seemkit includes; a folder with ``architecture.yaml`` and
                ``model.safetensors``, as `save` writes it; a ``.pt`` file of the official code; or
                ``"organization/name"`` on the Hugging Face Hub, for example ``"xdecoder/SEEM"``.
            variant: the published model, for example ``"focal-t-v1"``; for files of the official code only.
            device: for example ``"cuda"``.
            dtype: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 if the device multiplies it in hardware.
            compile: compile the parts with `torch.compile` when they are first used.

        Raises:
            InputError: a file is missing or does not fit, the dtype is unknown, or the device is not available.
        """
        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        found = find(source, variant)
        network = build_filled(lambda: cls(found.architecture, found.vocabulary), found.tensors, found.source)
        network.eval().to(device=place, dtype=kind)
        if found.classes is not None:
            network.language.remember(found.classes.names, found.classes.templates, found.classes.vectors)
        if compile:
            network.compile_parts()
        return network

    def compile_parts(self) -> None:
        """Compile encoder and decoder with `torch.compile` when they are first used; names of weights do not change."""
        for part in (self.backbone, self.pixel_decoder, self.decoder):
            part.compile()

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write ``architecture.yaml``, ``model.safetensors`` and the vectors of the network's class names.

        Args:
            folder: output folder; created if it does not exist.
            half: write the weights with 16 bits.
        """
        classes = None
        if self.vocabulary is not None:
            with torch.no_grad():
                vectors = self.embed_vocabulary(self.vocabulary)
            classes = ClassVectors(self.vocabulary.names, tuple(self.templates), vectors)
        save_model(self, self.architecture, self.vocabulary, classes, Path(folder), half=half)

    def encode_image(self, images: Sequence[Tensor], frames: Sequence[Size] | None = None) -> ImageContext:
        """Return B encoded images, ready for any number of decodes.

        Args:
            images: each [3, H, W], RGB, 0..255, of any size. They are padded at the right and the bottom with the mean
                color to a common size, a multiple of the architecture's `multiple`.
            frames: sizes of the images in whose pixels prompts are given; None for the sizes of `images`.
        """
        sizes = [Size(image.shape[-2], image.shape[-1]) for image in images]
        pixels = normalize(images, sizes, self.architecture.multiple, self.level_embedding.weight)
        pyramid = self.pixel_decoder(self.backbone(pixels))
        features = pyramid.mask_features
        if self.click_field is not None:
            features = self.click_field.append_positions(features)
        levels, positions, shapes = level_tokens(pyramid.levels, self.level_embedding.weight)
        resized = [F.interpolate(features, size=tuple(shape), mode="bilinear", align_corners=False) for shape in shapes]
        return ImageContext(
            levels,
            shapes,
            features,
            resized,
            region_features(features, self.backbone.strides[0]),
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
        every_layer: bool = False,
        draws: Draws | None = None,
    ) -> Decoded:
        """Return predictions for the prompts, for all objects of the images, or both.

        Args:
            context: the encoded images.
            prompts: prompts by image and object.
            objects: True to predict all objects of the images without a prompt.
            previous: [B, P, H_m, W_m], mask logits of the previous round for the P objects with visual prompts.
            every_layer: return the predictions of the initial queries and after every layer, not only the last ones.
            draws: values for the random choices; see `Draws`.

        Raises:
            InputError: neither prompts nor objects are requested, or a prompt is not valid.
        """
        draws = draws or Draws()
        encoded = self.encode_prompts(context, prompts) if prompts is not None else {}
        owners = self._visual_owners(encoded)
        slots = None if owners is None or previous is None else self._memory_slots(owners, draws)
        tokens = self._tokens(len(context), encoded, objects, owners, slots, draws)
        memory = None if slots is None or previous is None else PreviousMasks(previous, slots)
        layers = self.decoder(context, tokens, memory, self._mask_bias(encoded), every_layer=every_layer)
        return Decoded(layers, encoded, context)

    def encode_prompts(self, context: ImageContext, prompts: Sequence[ImagePrompts]) -> dict[str, EncodedGroup]:
        """Return the prompts as token groups, by group name; see `decode` for the arguments."""
        return self.sampler(prompts, PromptContext(context, self.language, self.other_images))

    def prepare(self, prompts: Sequence[Prompt], size: Size) -> tuple[Prompt, ...]:
        """Return the prompts after checking, drawing and loading, ready for any number of rounds.

        Args:
            prompts: prompts of one image.
            size: height and width of the image.

        Raises:
            InputError: a prompt is not valid for this image, or its kind is not installed.
        """
        return self.sampler.prepare(prompts, size, self.other_images)

    def select(self, decoded: Decoded) -> SelectedQueries:
        """Return the selected query of every prompted object; see `seemkit.model.query_selection`."""
        scale, copies = self.language.phrase_scale, self.queries.copies
        return select(decoded.layers[-1], decoded.prompts, decoded.context, scale, copies)

    def visual_scores(self, queries: Embeddings, prompts: dict[str, EncodedGroup]) -> Float[Tensor, "*L B P R"]:
        """Return the score of every visual query for every object whose prompts select among visual queries."""
        return scores(queries, family(prompts, VISUAL_QUERY), self.language.phrase_scale)

    def text_scores(self, queries: Embeddings, prompts: dict[str, EncodedGroup]) -> Float[Tensor, "*L B P Q"]:
        """Return the score of every text query for every object whose prompts select among text queries."""
        return scores(queries, family(prompts, TEXT_QUERY), self.language.phrase_scale)

    def class_logits(self, queries: Embeddings, classes: Float[Tensor, "K1 C"]) -> Float[Tensor, "*L B N K1"]:
        """Return the logits of K classes and the background.

        Args:
            queries: N queries.
            classes: class vectors, as `LanguageTower.embed_classes` returns them.
        """
        return cosine_similarity(queries.classes, classes, self.language.scale)

    def panoptic_inputs(
        self, context: ImageContext, classes: Float[Tensor, "K1 C"]
    ) -> tuple[Float[Tensor, "B Q K1"], Float[Tensor, "B Q H W"]]:
        """Return class probabilities and mask logits of all object queries, for inference without a prompt."""
        decoded = self.decode(context, objects=True)
        probabilities = self.class_logits(decoded.layers[-1][OBJECT_QUERY.name], classes).softmax(dim=-1)
        return probabilities, decoded.masks(OBJECT_QUERY.name)

    def embed_vocabulary(self, vocabulary: Vocabulary) -> Float[Tensor, "K1 C"]:
        """Return the class vectors of a vocabulary and the background, averaged over the templates."""
        return self.language.embed_classes(vocabulary.names, self.templates)

    def _visual_owners(self, encoded: dict[str, EncodedGroup]) -> Tensor | None:
        """Return the objects [B, P] that get visual queries; None if none do."""
        groups = [] if self.composed else family(encoded, VISUAL_QUERY)
        return groups[0].owners if groups else None

    def _mask_bias(self, encoded: dict[str, EncodedGroup]) -> dict[str, Tensor]:
        """Return what the click field adds to the mask embeddings of the visual queries."""
        visual = encoded.get(VISUAL_PROMPT.name)
        if self.click_field is None or visual is None or visual.regions is None:
            return {}
        texts = encoded.get(TEXT_PROMPT.name)
        said = None
        if texts is not None:
            said = spread(texts.owners, visual.owners, texts.pooled.dtype) @ texts.pooled
        return {VISUAL_QUERY.name: self.click_field(visual.regions, said)}

    def _tokens(
        self,
        batch: int,
        encoded: dict[str, EncodedGroup],
        objects: bool,
        owners: Tensor | None,
        slots: Tensor | None,
        draws: Draws,
    ) -> list[Tokens]:
        """Return the tokens of all groups in this decode; the groups that attend to the image come first."""
        tokens = [self.queries.object_tokens(batch)] if objects or self.composed else []
        if not self.composed and family(encoded, TEXT_QUERY):
            tokens.append(self.queries.text_tokens(batch))
        if owners is not None:
            tokens.append(self.queries.visual_tokens(owners, draws.queries))
            if slots is not None:
                tokens.append(self.queries.memory_tokens(owners, slots))
        if not tokens:
            raise InputError("decode: nothing to decode; give prompts or objects=True")
        tokens += [group.tokens for group in encoded.values()]
        return [t.under(self.visibility(t.group)) for t in tokens]

    def _memory_slots(self, owners: Tensor, draws: Draws) -> Tensor:
        if draws.memory is None:
            return self.queries.deal_memory(owners >= 0)
        return draws.memory[:, None].expand(-1, len(owners), -1)

    @property
    def other_images(self) -> OtherImages:
        """Functions that encode and describe other images, for prompts that refer to them."""
        return OtherImages(lambda image: self.encode_image([image]), self.sampler.describe)

    @property
    def device(self) -> torch.device:
        """Device of the weights; images are moved to it."""
        return self.level_embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return self.level_embedding.weight.dtype
