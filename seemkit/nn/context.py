"""Encoded images, which decodes read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, overload

import torch
from jaxtyping import Float
from torch import Tensor

from seemkit.nn.attention import KeysValues
from seemkit.nn.position import sine_position
from seemkit.postprocess.resize import restore, restore_rows
from seemkit.types import Size


class KeysValuesOnDemand(Sequence[KeysValues]):
    """Keys and values of all decoder layers, computed without gradient when the first one is read.

    An image that is only described, and not decoded, does not need them.

    Args:
        read: returns the keys and values of each layer.
        layers: number of layers.

    Attributes:
        found: keys and values of each layer; empty before the first one is read.
    """

    def __init__(self, read: Callable[[], list[KeysValues]], layers: int) -> None:
        self.found: list[KeysValues] = []
        self._read, self._layers = read, layers

    def __len__(self) -> int:
        return self._layers

    @overload
    def __getitem__(self, index: int) -> KeysValues: ...
    @overload
    def __getitem__(self, index: slice) -> list[KeysValues]: ...
    def __getitem__(self, index: int | slice) -> KeysValues | list[KeysValues]:
        if not self.found:
            with torch.no_grad():
                self.found = self._read()
        return self.found[index]


@dataclass(frozen=True, slots=True)
class ImageContext:
    """B encoded images, which decoding never changes, so they serve any number of rounds.

    Attributes:
        levels: three token lists [B, H_l W_l, C], coarsest first, with the level embedding added.
        shapes: height and width of each level.
        mask_features: [B, C_mask, H_m, W_m].
        level_mask_features: `mask_features` resized to each level, [B, C_mask, H_l, W_l].
        region_features: `mask_features` as the region head reads them, [B, C_mask, H, W], at stride 4 or coarser.
        keys_values: keys and values for the cross-attention of each decoder layer; without gradient, computed when a
            decode first reads them.
        padded: height and width of the network's input.
        sizes: height and width of each image, which is at the top left of the network's input.
        frames: height and width of each original image, in whose pixels prompts are given.
        guide: what the mask refiner reads of the image, [B, C, H, W]; None without a refiner.
    """

    levels: list[Tensor]
    shapes: list[Size]
    mask_features: Tensor
    level_mask_features: list[Tensor]
    region_features: Tensor
    keys_values: Sequence[KeysValues]
    padded: Size
    sizes: list[Size]
    frames: list[Size]
    guide: Tensor | None = None

    def __len__(self) -> int:
        return self.mask_features.shape[0]

    @property
    def nbytes(self) -> int:
        """Memory of the tensors in bytes."""
        read = self.keys_values.found if isinstance(self.keys_values, KeysValuesOnDemand) else self.keys_values
        pairs = [tensor for kv in read for tensor in kv]
        single = [self.mask_features, self.region_features, *([] if self.guide is None else [self.guide])]
        tensors = [*self.levels, *self.level_mask_features, *single, *pairs]
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        return sum(storages.values())

    def prepare(self) -> Self:
        """Compute what decodes read, so that the first one is as quick as the others, and return the context."""
        self.keys_values[0]
        return self

    def restore(
        self, masks: Float[Tensor, "N h w"], image: int = 0, mode: Literal["bicubic", "bilinear"] = "bicubic"
    ) -> Float[Tensor, "N H W"]:
        """Return mask logits of one image at the size in which its prompts are given; see `postprocess.resize.restore`.

        Args:
            masks: mask logits at the resolution of the mask features.
            image: index of the image.
            mode: interpolation of the last step: "bicubic" for panoptic, instance, semantic and referring results,
                "bilinear" for interactive results.
        """
        return restore(masks, self.padded, self.sizes[image], self.frames[image], mode)

    def restore_rows(self, masks: Float[Tensor, "N h w"]) -> Iterator[Float[Tensor, "N rows W"]]:
        """Yield blocks of rows of `restore`'s bicubic result for the first image, from top to bottom."""
        return restore_rows(masks, self.padded, self.sizes[0], self.frames[0])

    def repeat(self, index: int, count: int) -> Self:
        """Return `count` views of image `index`; no memory is copied."""

        def view(tensor: Tensor) -> Tensor:
            return tensor[index : index + 1].expand(count, *tensor.shape[1:])

        return replace(
            self,
            levels=[view(level) for level in self.levels],
            mask_features=view(self.mask_features),
            level_mask_features=[view(features) for features in self.level_mask_features],
            region_features=view(self.region_features),
            guide=None if self.guide is None else view(self.guide),
            keys_values=[KeysValues(view(kv.keys), view(kv.values)) for kv in self.keys_values],
            sizes=[self.sizes[index]] * count,
            frames=[self.frames[index]] * count,
        )


def level_tokens(
    pyramid: Sequence[Float[Tensor, "B C H W"]], marks: Float[Tensor, "levels C"]
) -> tuple[list[Tensor], list[Size]]:
    """Return the levels as tokens [B, H W, C], and their sizes.

    Args:
        pyramid: the levels, coarsest first.
        marks: level embeddings, which are added to the tokens.
    """
    tokens = [level.flatten(2).transpose(1, 2) + mark for level, mark in zip(pyramid, marks, strict=True)]
    return tokens, [Size(level.shape[2], level.shape[3]) for level in pyramid]


def level_positions(tokens: Float[Tensor, "B M C"], shape: Size) -> Float[Tensor, "1 M C"]:
    """Return the positions of the tokens of a level."""
    grid = sine_position(*shape, tokens.shape[2], device=tokens.device, dtype=tokens.dtype)
    return grid.flatten(1).T[None]
