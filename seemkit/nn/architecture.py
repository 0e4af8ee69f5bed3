"""The sizes and switches of a SEEM network, as in a configuration and in the file beside saved weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from seemkit.errors import InputError
from seemkit.nn.pixels import PIXEL_MEAN, PIXEL_STD
from seemkit.types import Request

EARLIER_NAMES = {
    "width": "embed_dim",
    "heads": "num_heads",
    "hidden": "ffn_dim",
    "encoder_hidden": "encoder_ffn_dim",
    "text_width": "text_embed_dim",
    "text_heads": "text_num_heads",
}
"""Today's name of each field that earlier versions named differently."""
LEAST_SIDE = 32
"""Least `Architecture.image_side`."""


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build a network; the defaults are the full-size SEEM's decoder.

    Attributes:
        backbone: timm's model name, or ``focalnet`` or ``resnet`` for seemkit's own.
        backbone_options: further arguments of `timm.create_model` or of seemkit's own backbone.
        backbone_levels: feature maps of the backbone to use, finest first: four of strides 4 to 32; one of stride 16,
            which becomes a simple pyramid; or five of strides 2 to 32, for mask features at stride 2 (``fpn`` only).
        fine_masks: the map of stride 2 only adds detail to the mask features, which is cheaper; off in the reference.
        backbone_norm_eps: epsilon of the backbone's layer norms; None keeps timm's.
        backbone_weights: pretrained weights with which training starts: true for timm's own, which are downloaded; a
            ``.pth`` or ``.safetensors`` file (`seemkit.nn.backbones.pretrained`), for example a run's
            ``model.safetensors``; or the name of a shipped model, whose backbone is taken. Saved models omit it.
        fold_batch_norms: the backbone has no batch norms: those of `backbone_weights` are merged into the convolutions
            before them. This fixes their statistics in training and makes the backbone quicker.
        pixel_mean: mean that is subtracted from the pixels, for red, green and blue, 0..255.
        pixel_std: standard deviation by which they are divided. Both must be those of `backbone_weights`.
        pixel_decoder: ``fpn``, with a transformer on the coarsest map, or ``deformable``, with attention over three.
        embed_dim: channels of the pyramid, the mask features, the tokens and the text embeddings.
        num_heads: attention heads of pixel decoder and decoder.
        ffn_dim: channels inside the decoder's feed-forward layers.
        encoder_ffn_dim: channels inside the pixel decoder's feed-forward layers; None means `ffn_dim`.
        encoder_layers: transformer layers of the pixel decoder.
        decoder_layers: layers of the decoder.
        queries: number of object queries.
        memory: number of memory slots.
        visual_queries: queries copied for each visually prompted object; 0 copies all (v0).
        table: visibility table. ``separate``: visual queries read visual prompts, text queries read texts, as in the
            reference. ``joint``: visual queries also read the texts of their own object. ``composed``: only object
            queries exist, and they read every prompt (the reference's demo).
        referred_by: how a region of another image, alone, finds its object. ``features``: visual queries read the
            features under the region, as in the reference. ``class``: the object query is selected whose class
            embedding is nearest to that of the region in its own image.
        text_embed_dim: channels inside the text tower.
        text_layers: layers of the text tower.
        text_num_heads: attention heads of the text tower.
        logit_scale: initial logarithm of the scale of class similarities.
        templates: sentences around class names; empty means the reference's 81.
        click_field: position channels of the click field; 0 switches it off, as in the reference.
        mask_refiner: channels of the refiner, convolutions that correct the mask of a visually prompted object; 0
            switches it off, as in the reference.
        values_carry_position: add positions to the values of cross-attention; off in the reference.
        region_head: add the features under a query's mask to its class embedding; off in the reference.
        visual_points: largest number of pixels sampled per sign in an image, shared by the image's objects.
        image_side: longer images are resized to this length of the longer side before they are encoded; None for no
            limit, as in the reference.
        zoom_side: length of the longer side of the window around an object in which inference predicts it again
            (`seemkit.interactive.zoom`); 0 switches this off, as in the reference.
        multiple: height and width of images are padded to a multiple of this.
        answers: what the network answers: ``visual`` prompts, a ``region`` of another image, ``text`` prompts, and
            ``automatic``, which is segmentation without a prompt. Training sets it; other requests are refused.
        prompts: constructor arguments of prompt kinds, by name. The named kinds must be installed; a kind that has
            weights takes part only if it is named.

    Raises:
        InputError: `image_side` is too small.
    """

    backbone: str = "davit_base"
    backbone_options: dict[str, Any] = field(default_factory=dict)
    backbone_levels: tuple[int, ...] = (0, 1, 2, 3)
    backbone_norm_eps: float | None = None
    backbone_weights: bool | str | None = None
    fold_batch_norms: bool = False
    pixel_mean: tuple[float, float, float] = PIXEL_MEAN
    pixel_std: tuple[float, float, float] = PIXEL_STD
    fine_masks: bool = False
    pixel_decoder: Literal["fpn", "deformable"] = "fpn"
    embed_dim: int = 512
    num_heads: int = 8
    ffn_dim: int = 2048
    encoder_ffn_dim: int | None = None
    encoder_layers: int = 6
    decoder_layers: int = 9
    queries: int = 101
    memory: int = 32
    visual_queries: int = 3
    table: Literal["separate", "joint", "composed"] = "separate"
    referred_by: Literal["features", "class"] = "features"
    text_embed_dim: int = 512
    text_layers: int = 12
    text_num_heads: int = 8
    logit_scale: float = 1.0
    templates: tuple[str, ...] = ()
    click_field: int = 0
    mask_refiner: int = 0
    values_carry_position: bool = False
    region_head: bool = False
    visual_points: int = 512
    image_side: int | None = None
    zoom_side: int = 0
    multiple: int = 32
    answers: tuple[Request, ...] = ("visual", "text", "automatic", "region")
    prompts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image_side is not None and self.image_side < LEAST_SIDE:
            raise InputError(f"image_side: is {self.image_side} pixels; use at least {LEAST_SIDE}")

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain data for YAML."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "architecture") -> Self:
        """Return the architecture that plain data describes; names of earlier versions are accepted.

        Args:
            values: the output of `to_dict`.
            source: file name for messages.

        Raises:
            InputError: a key is unknown.
        """
        values = current_names(values)
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"{source}: unknown key {unknown[0]!r}; known keys: {', '.join(sorted(known))}")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**settings)


def current_names(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain data of an architecture with the names of earlier versions replaced by today's names."""
    renamed = {EARLIER_NAMES.get(name, name): value for name, value in values.items()}
    if renamed.get("backbone") == "focalnet" and isinstance(renamed.get("backbone_options"), dict):
        options = renamed["backbone_options"]
        renamed["backbone_options"] = {"embed_dim" if name == "width" else name: v for name, v in options.items()}
    return renamed


WANTS: dict[Request, str] = {
    "visual": "visual prompts",
    "region": "regions of other images",
    "text": "text prompts",
    "automatic": "segmentation without a prompt",
}


def check_answers(architecture: Architecture, request: Request) -> None:
    """Raise InputError unless a network of this architecture was trained to answer a request."""
    if request not in architecture.answers:
        able = " and ".join(WANTS[answer] for answer in architecture.answers)
        raise InputError(
            f"{WANTS[request]}: this model only answers {able}; use another model, such as seem-focal-t-v1 for "
            "photographs or scenes-tiny for drawings"
        )
