"""SEEM, the network; `encode_image` and `decode` are its entry points.

Source: Zou et al., Segment Everything Everywhere All at Once (arXiv 2304.06718).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seemkit.checkpoints.cache import class_store_for
from seemkit.checkpoints.class_store import ClassStore
from seemkit.checkpoints.find import find
from seemkit.checkpoints.format import ClassVectors, build_filled, write_model
from seemkit.errors import InputError
from seemkit.model.outputs import Decoded, Draws
from seemkit.model.parts import build_click_field, build_decoder, build_mask_refiner, build_pixel_decoder
from seemkit.model.precision import Dtype, choose_device, choose_dtype
from seemkit.model.query_selection import SelectedQueries, family, scores, select
from seemkit.model.query_tokens import assemble
from seemkit.model.visual_masks import click_terms, refine
from seemkit.nn.architecture import Architecture, check_answers
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.context import ImageContext, level_tokens
from seemkit.nn.heads import Embeddings, cosine_similarity
from seemkit.nn.language import LanguageTower, imagenet_templates
from seemkit.nn.pixels import limit_side, normalize
from seemkit.nn.queries import LearnedQueries
from seemkit.nn.region_head import region_features
from seemkit.nn.tokens import OBJECT_QUERY, TEXT_PROMPT, TEXT_QUERY, VISUAL_QUERY
from seemkit.prompts.encoder import OtherImages, PromptContext
from seemkit.prompts.groups import EncodedGroup
from seemkit.prompts.prepared import PromptTokens
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
        if not isinstance(architecture, Architecture):
            call = f"SEEM.from_pretrained({architecture!r})"
            raise InputError(f"SEEM({architecture!r}): expected an architecture; for a model by name, call {call}")
        a = replace(architecture, backbone_weights=None)  # the weights are now the network's own
        self.architecture = a
        self.vocabulary = vocabulary
        self.class_store: ClassStore | None = None
        self.templates = a.templates or imagenet_templates()
        self.mask_dim = a.embed_dim + a.click_field
        self.backbone = Backbone(
            a.backbone,
            a.backbone_options,
            a.backbone_levels,
            a.backbone_norm_eps,
            weights=architecture.backbone_weights,
            fold=a.fold_batch_norms,
        )
        self.pixel_decoder = build_pixel_decoder(a, self.backbone.channels)
        self.language = LanguageTower.of(a)
        self.level_embedding = nn.Embedding(3, a.embed_dim)
        self.queries = LearnedQueries(a.embed_dim, a.queries, a.memory, a.visual_queries)
        unmarked = -1.0 if a.visual_queries else 0.0
        self.sampler = VisualSampler(a.embed_dim, installed(), a.prompts, a.visual_points, unmarked)
        self.decoder = build_decoder(a, self.mask_dim)
        self.click_field = build_click_field(a, self.queries.copies)
        self.refiner = build_mask_refiner(a, self.mask_dim, self.backbone.strides[0])

    def forward(self, *_: object, **__: object) -> NoReturn:
        """Raise InputError, because a network is asked through a session."""
        raise InputError("model(...): a model is asked through a session: Session(model, image).predict(Point(x, y))")

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        variant: str | None = None,
        *,
        device: str = "cpu",
        dtype: Dtype = "float32",
        image_side: int | None = None,
        compile: bool = False,  # noqa: A002 (torch's word)
    ) -> Self:
        """Return a network with pretrained weights, in evaluation mode.

        Args:
            source: a name that ``seemkit models`` lists, for example ``"scenes-tiny"``, or ``"seem-focal-t-v1"``, which
                is downloaded once; a folder with ``architecture.yaml`` and ``model.safetensors``, as `save` writes it;
                a ``.pt`` file of the official code; or ``"organization/name"`` on the Hugging Face Hub.
            variant: the published model, for example ``"focal-t-v1"``; for files of the official code only.
            device: for example ``"cuda"``.
            dtype: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 if the device multiplies it in hardware.
            image_side: longer side in pixels at which larger images are encoded, at least 32; None for the model's own.
            compile: compile the parts with `torch.compile` when they are first used.

        Raises:
            InputError: a file is missing or does not fit, the device is not available, or an argument is wrong.
        """
        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        found = find(source, variant)
        a = found.architecture if image_side is None else replace(found.architecture, image_side=image_side)
        network = build_filled(lambda: cls(a, found.vocabulary), found.tensors, found.source)
        network.eval().to(device=place, dtype=kind)
        if found.classes is not None:
            network.language.remember(found.classes.templates, found.classes.by_name())
        network.class_store = class_store_for(network.language)
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
        write_model(self.state_dict(), self.architecture, self.vocabulary, classes, Path(folder), half=half)

    def encode_image(self, images: Sequence[Tensor], frames: Sequence[Size] | None = None) -> ImageContext:
        """Return B encoded images, ready for any number of decodes.

        Args:
            images: each [3, H, W], RGB, 0..255, of any size; resized if longer than the architecture's `image_side`.
                They are padded at the right and the bottom with the mean color to a common size, a multiple of the
                architecture's `multiple`.
            frames: sizes of the images in whose pixels prompts are given; None for the sizes of `images`.
        """
        a = self.architecture
        if frames is None:
            frames = [Size(*image.shape[-2:]) for image in images]
        images = [limit_side(image, a.image_side) for image in images]
        sizes = [Size(image.shape[-2], image.shape[-1]) for image in images]
        pixels = normalize(images, sizes, a.multiple, self.level_embedding.weight, a.pixel_mean, a.pixel_std)
        padded, maps = Size(pixels.shape[-2], pixels.shape[-1]), self.backbone(pixels)
        del pixels  # as below, the memory of a large image
        pyramid, features = self.pixel_decoder(maps)
        if self.click_field is not None:
            features = self.click_field.append_positions(features)
        levels, shapes = level_tokens(pyramid, self.level_embedding.weight)
        del maps, pyramid
        resized = [F.interpolate(features, size=tuple(shape), mode="bilinear", align_corners=False) for shape in shapes]
        return ImageContext(
            levels,
            shapes,
            features,
            resized,
            region_features(features, self.backbone.strides[0]),
            self.decoder.read_image(levels, shapes),
            padded,
            sizes,
            list(frames),
            None if self.refiner is None else self.refiner.encode(features),
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
            InputError: neither prompts nor objects are requested, a prompt is not valid, or the network was not trained
                for such a request.
        """
        a, draws = self.architecture, draws or Draws()
        if objects:
            check_answers(a, "automatic")
        encoded = self.encode_prompts(context, prompts) if prompts is not None else {}
        if TEXT_PROMPT.name in encoded:
            check_answers(a, "text")
        tokens, memory = assemble(
            self.queries, a.table, encoded, len(context), objects=objects, previous=previous, draws=draws
        )
        bias = click_terms(self.click_field, encoded)
        layers = self.decoder(context.prepare(), tokens, memory, bias, every_layer=every_layer)
        return Decoded(layers, encoded, context, previous)

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

    def masks(self, decoded: Decoded, selected: SelectedQueries) -> Float[Tensor, "B P H W"]:
        """Return the mask logits of the selected queries, at the resolution of the mask features, after refinement."""
        return refine(self.refiner, selected.masks(), selected.owners, decoded)

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
        """Return the class vectors of a vocabulary and the background, averaged over the templates.

        A network with pretrained weights keeps them in the user's cache if they take long to compute.
        """
        if self.class_store is not None and not self.language.training and not torch.is_grad_enabled():
            self.class_store.fill(self.language, vocabulary.names, self.templates)
        return self.language.embed_classes(vocabulary.names, self.templates)

    @property
    def other_images(self) -> OtherImages:
        """Functions that encode and describe other images, for prompts that refer to them."""
        return OtherImages(lambda image: self.encode_image([image]), self._describe)

    def _describe(self, prompts: Sequence[Prompt], image: ImageContext) -> PromptTokens:
        check_answers(self.architecture, "region")
        tokens = self.sampler.describe(prompts, image)
        if self.architecture.referred_by == "features":
            return tokens
        decoded = self.decode(image, [[prompts]])
        return replace(tokens, example=self.select(decoded).queries.classes[0, 0])

    @property
    def device(self) -> torch.device:
        """Device of the weights; images are moved to it."""
        return self.level_embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return self.level_embedding.weight.dtype
