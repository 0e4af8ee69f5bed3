"""The parts of a network, built with the sizes of an architecture."""

from __future__ import annotations

from collections.abc import Sequence

from seemkit.nn.architecture import Architecture
from seemkit.nn.click_field import ClickField
from seemkit.nn.decoder import Decoder
from seemkit.nn.deformable import DeformablePixelDecoder
from seemkit.nn.mask_refiner import STRIDE, MaskRefiner
from seemkit.nn.pixel_decoder import PixelDecoder
from seemkit.nn.region_head import RegionHead


def build_pixel_decoder(a: Architecture, channels: Sequence[int]) -> PixelDecoder | DeformablePixelDecoder:
    """Return the pixel decoder for feature maps with these channels, finest first."""
    sizes = {"num_heads": a.num_heads, "ffn_dim": a.encoder_ffn_dim or a.ffn_dim, "layers": a.encoder_layers}
    if a.pixel_decoder == "deformable":
        return DeformablePixelDecoder(channels, a.embed_dim, a.embed_dim, **sizes)
    return PixelDecoder(channels, a.embed_dim, a.embed_dim, **sizes, fine_masks=a.fine_masks)


def build_decoder(a: Architecture, mask_dim: int) -> Decoder:
    """Return the decoder for mask features with `mask_dim` channels."""
    return Decoder(
        a.embed_dim,
        a.embed_dim,
        mask_dim,
        layers=a.decoder_layers,
        num_heads=a.num_heads,
        ffn_dim=a.ffn_dim,
        values_carry_position=a.values_carry_position,
        region_head=RegionHead((*(a.embed_dim,) * 3, mask_dim), a.embed_dim) if a.region_head else None,
    )


def build_click_field(a: Architecture, copies: int) -> ClickField | None:
    """Return the click field for `copies` visual queries per object; None if the architecture has none."""
    if not a.click_field:
        return None
    return ClickField(a.embed_dim, a.click_field, copies, words=a.embed_dim if a.table == "joint" else 0)


def build_mask_refiner(a: Architecture, mask_dim: int, stride: int) -> MaskRefiner | None:
    """Return the refiner of masks with features of `stride`, at most 4; None if the architecture has none."""
    return MaskRefiner(mask_dim, a.mask_refiner, STRIDE // stride) if a.mask_refiner else None
