"""The network and its losses in a plain implementation that computes like the reference.

It uses the weights of a `SEEM` and gives the same numbers, so benchmarks compare only how they are computed. Like the
reference, this implementation

* stores maps channels first and computes convolutions by their definition,
* decodes object queries in every decode,
* computes the masks of all queries at stride 4 after each layer, and attention masks and matching costs from them,
* uses `nn.MultiheadAttention` and returns its weights,
* projects keys and values wherever they are read,
* enlarges all masks before selecting one.

Backbone and text tower are the same modules in both implementations.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from seemkit.losses.group_losses import Targets
from seemkit.losses.mask import bce_loss, dice_loss
from seemkit.losses.weights import GroupWeights
from seemkit.model.outputs import Draws
from seemkit.model.query_tokens import assemble
from seemkit.model.seem import SEEM
from seemkit.nn.attention import Attention
from seemkit.nn.backbones import mlp
from seemkit.nn.context import ImageContext
from seemkit.nn.decoder import DecoderLayer, PreviousMasks
from seemkit.nn.heads import Embeddings
from seemkit.nn.pixel_decoder import PixelDecoder
from seemkit.nn.pixels import PIXEL_MEAN, PIXEL_STD
from seemkit.nn.position import sine_position
from seemkit.nn.tokens import Role, Tokens, visibility
from seemkit.ops.points import sample_points, uncertain_points
from seemkit.prompts.groups import EncodedGroup
from seemkit.prompts.sampler import ImagePrompts
from seemkit.prompts.values import Prompt
from seemkit.types import Size

OVERLAP = 0.8
"""Minimum share of its own mask that a segment must win."""


@dataclass(frozen=True)
class Prediction:
    """The prediction of one query group after one layer.

    Attributes:
        embeddings: outputs of the heads.
        masks: [B, N, H_m, W_m], mask logits of all queries.
    """

    embeddings: Embeddings
    masks: Tensor


def encode(network: SEEM, image: Tensor) -> ImageContext:
    """Return the pyramid and the mask features of one image [3, H, W] whose sides are multiples of 32."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    pixels = ((image - mean) / std)[None]
    with patch.object(mlp, "CELLS", sys.maxsize):  # feed-forward layers of all cells at once
        features = network.backbone(pixels)
    pixel_decoder = network.pixel_decoder
    assert isinstance(pixel_decoder, PixelDecoder)
    cells = pixel_decoder.input_projection(features[-1])
    position = sine_position(*cells.shape[2:], cells.shape[1], device=cells.device, dtype=cells.dtype)
    grid, position = cells.shape[2:], position.flatten(1).T[None]
    cells = cells.flatten(2).transpose(1, 2)
    for layer in pixel_decoder.encoder:
        placed = cells + position
        cells = layer.norm(cells + _attend(layer.attention, placed, placed, cells, None))
        cells = layer.feed_forward(cells)
    merged = _convolve(pixel_decoder.outputs[-1], cells.transpose(1, 2).unflatten(2, grid).contiguous())
    levels = [merged]
    for index in reversed(range(3)):
        up = F.interpolate(merged, size=features[index].shape[2:], mode="nearest")
        merged = _convolve(pixel_decoder.outputs[index], pixel_decoder.laterals[index](features[index]) + up)
        levels.append(merged)
    flat = [
        level.flatten(2).transpose(1, 2) + embedding
        for level, embedding in zip(levels[:3], network.level_embedding.weight, strict=True)
    ]
    masks = _convolve([pixel_decoder.mask_projection], merged)
    shapes, size = [Size(*level.shape[2:]) for level in levels[:3]], Size(*image.shape[1:])
    return ImageContext(flat, shapes, masks, [], masks, [], size, [size], [size])


def reread(context: ImageContext) -> ImageContext:
    """Return the same encoded images, channels first and without anything precomputed."""
    return replace(context, mask_features=context.mask_features.contiguous(), level_mask_features=[], keys_values=[])


def _convolve(layers: Iterable[nn.Module], maps: Tensor) -> Tensor:
    """Return the output of the layers in sequence; the first is a convolution, computed by its definition."""
    convolution, *others = layers
    assert isinstance(convolution, nn.Conv2d)
    maps = F.conv2d(maps, convolution.weight, convolution.bias, padding=1)
    for layer in others:
        maps = layer(maps)
    return maps


def objects(network: SEEM, context: ImageContext, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return class probabilities [Q, K + 1] and mask logits [Q, H_m, W_m] of all object queries."""
    table = network.architecture.table
    tokens, _ = assemble(network.queries, table, {}, 1, objects=True, previous=None, draws=Draws())
    found = decode(network, context, tokens, None)[-1]["object_query"]
    probabilities = network.class_logits(found.embeddings, classes)[0].softmax(dim=-1)
    return probabilities, found.masks[0]


def prompted(
    network: SEEM, context: ImageContext, prompts: Sequence[Prompt], previous: Tensor | None, draws: Draws
) -> Tensor:
    """Return the mask logits [H, W] of one prompted object, selected among those of all queries.

    Args:
        network: the network with the weights.
        context: one image, as `encode` returns it.
        prompts: all prompts of the object.
        previous: mask logits [H_m, W_m] of the previous round; None in the first round.
        draws: the object queries that visual queries copy.
    """
    before = None if previous is None else previous[None, None]
    layers, encoded = decode_all(network, context, [[prompts]], before, draws)
    found = layers[-1]
    by = "visual_query" if "visual_query" in found else "text_query"
    scores = network.visual_scores if by == "visual_query" else network.text_scores
    best = scores(found[by].embeddings, encoded)[0, 0].argmax()
    return enlarge(found[by].masks[0], context.padded)[best]


def decode_all(
    network: SEEM,
    context: ImageContext,
    prompts: Sequence[ImagePrompts],
    previous: Tensor | None,
    draws: Draws | None = None,
) -> tuple[list[dict[str, Prediction]], dict[str, EncodedGroup]]:
    """Return the predictions of a decode that always includes object queries, and the encoded prompts.

    See `SEEM.decode`.
    """
    encoded = network.encode_prompts(context, prompts)
    table = network.architecture.table
    tokens, memory = assemble(
        network.queries, table, encoded, len(context), objects=True, previous=previous, draws=draws or Draws()
    )
    return decode(network, context, tokens, memory), encoded


def enlarge(masks: Tensor, size: Size) -> Tensor:
    """Return the mask logits at the size of the image."""
    return F.interpolate(masks[None], size=tuple(size), mode="bilinear")[0]


def panoptic(probabilities: Tensor, masks: Tensor, things: Sequence[bool], threshold: float) -> Tensor:
    """Return segment ids [H, W] by the official protocol, which handles one query at a time on full-size masks."""
    scores, labels = probabilities.max(dim=1)
    kept = (labels != probabilities.shape[1] - 1) & (scores > threshold)
    masks, scores, labels = masks.sigmoid()[kept], scores[kept], labels[kept]
    ids = torch.zeros(masks.shape[1:], dtype=torch.int64)
    if not len(masks):
        return ids
    winner = (scores[:, None, None] * masks).argmax(dim=0)
    stuff: dict[int, int] = {}
    current = 0
    for query, label in enumerate(labels.tolist()):
        won, own = winner == query, masks[query] >= 0.5
        final = won & own
        if not won.sum() or not own.sum() or not final.sum() or won.sum().item() / own.sum().item() < OVERLAP:
            continue
        if not things[label] and label in stuff:
            ids[final] = stuff[label]
            continue
        current += 1
        if not things[label]:
            stuff[label] = current
        ids[final] = current
    return ids


def instances(probabilities: Tensor, masks: Tensor, limit: int = 100) -> tuple[Tensor, Tensor, Tensor]:
    """Return masks [N, H, W], scores and labels of the most probable pairs of query and class, from full-size masks."""
    scores, pairs = probabilities[:, :-1].flatten().topk(limit)
    classes = probabilities.shape[1] - 1
    chosen = masks[pairs // classes]
    inside = (chosen > 0).float()
    quality = (chosen.sigmoid().flatten(1) * inside.flatten(1)).sum(1) / (inside.flatten(1).sum(1) + 1e-6)
    return inside, scores * quality, pairs % classes


def semantic(probabilities: Tensor, masks: Tensor) -> Tensor:
    """Return the label of each pixel [H, W], from the scores of all classes at all pixels."""
    return torch.einsum("qk,qhw->khw", probabilities[:, :-1], masks.sigmoid()).argmax(dim=0)


def decode(
    network: SEEM, context: ImageContext, tokens: Sequence[Tokens], previous: PreviousMasks | None
) -> list[dict[str, Prediction]]:
    """Return the predictions of every query group before the first layer and after each layer.

    Args:
        network: the network with the weights.
        context: encoded images; only `levels`, `shapes` and `mask_features` are read.
        tokens: tokens of all groups; the groups that attend to the image come first.
        previous: masks of the previous round; None without memory.
    """
    lookers = [t for t in tokens if t.group.role is not Role.PROMPT]
    rows, counts = sum(t.count for t in lookers), [t.count for t in tokens]
    positions = [_positions(context, level) for level in range(3)]
    values = [t.values[0] for t in tokens]
    predictions = [_predict(network, context, lookers, values)]
    for index, layer in enumerate(network.decoder.layers):
        assert isinstance(layer, DecoderLayer)
        level = index % 3
        values = [t.values[level] if t.group.fresh else v for t, v in zip(tokens, values, strict=True)]
        place = torch.cat([t.positions[level if t.group.fresh else 0] for t in tokens], dim=1)
        sequence = torch.cat(values, dim=1)
        blocked = _blocked(context, lookers, predictions[-1], previous, level)
        image = context.levels[level]
        looked = _attend(
            layer.cross_attention, sequence[:, :rows] + place[:, :rows], image + positions[level], image, blocked
        )
        sequence = torch.cat((layer.cross_norm(sequence[:, :rows] + looked), sequence[:, rows:]), dim=1)
        placed = sequence + place
        read = _attend(layer.self_attention, placed, placed, sequence, ~visibility(tokens, index))
        sequence = layer.feed_forward(layer.self_norm(sequence + read))
        values = list(sequence.split(counts, dim=1))
        predictions.append(_predict(network, context, lookers, values))
    return predictions


def _positions(context: ImageContext, level: int) -> Tensor:
    image = context.levels[level]
    return (
        sine_position(*context.shapes[level], image.shape[2], device=image.device, dtype=image.dtype).flatten(1).T[None]
    )


def _attend(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor, blocked: Tensor | None) -> Tensor:
    module = nn.MultiheadAttention(queries.shape[2], attention.num_heads, batch_first=True, device="meta")
    module.in_proj_weight, module.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
    module.out_proj.weight, module.out_proj.bias = attention.out_proj.weight, attention.out_proj.bias
    mask = None if blocked is None else blocked.repeat_interleave(attention.num_heads, dim=0)
    return module(queries, keys, values, attn_mask=mask)[0]


def _predict(
    network: SEEM, context: ImageContext, lookers: Sequence[Tokens], values: Sequence[Tensor]
) -> dict[str, Prediction]:
    found = {}
    for group, value in zip(lookers, values, strict=False):
        if group.group.role is Role.QUERY:
            heads = network.decoder.heads
            embeddings = Embeddings(heads.classes(value), heads.masks(value))
            found[group.group.name] = Prediction(
                embeddings, torch.einsum("bqc,bchw->bqhw", embeddings.masks, context.mask_features)
            )
    return found


@torch.no_grad()
def _blocked(
    context: ImageContext,
    lookers: Sequence[Tokens],
    found: dict[str, Prediction],
    previous: PreviousMasks | None,
    level: int,
) -> Tensor:
    masks = [found[t.group.name].masks if t.group.role is Role.QUERY else _remembered(previous) for t in lookers]
    small = F.interpolate(torch.cat(masks, dim=1), size=tuple(context.shapes[level]), mode="bilinear")
    outside = small.flatten(2).sigmoid() < 0.5
    return outside & ~outside.all(dim=2, keepdim=True)


def _remembered(previous: PreviousMasks | None) -> Tensor:
    assert previous is not None
    slot = previous.slot[0][:, :, None, None].expand(-1, -1, *previous.logits.shape[2:])
    return previous.logits.gather(1, slot)


def mask_losses(
    masks: Sequence[Tensor],
    choice: Tensor,
    targets: Targets,
    points: int,
    drawn: Sequence[Tensor],
    generators: Sequence[torch.Generator],
    weights: GroupWeights,
    copies: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the matches [L, B, N] and the sums of binary cross-entropy and dice loss of the matched masks.

    Args:
        masks: mask logits of all queries, one [B, Q, H_m, W_m] per layer.
        choice: [L, B, Q, N], costs of class or query selection.
        targets: targets of the images.
        points: number of points per mask.
        drawn: for each image [1, points, 2], the points where masks are compared for matching.
        generators: one random generator per image.
        weights: weights of the costs.
        copies: number of queries that a target can match; 0 for all.
    """
    matches = torch.full((len(masks), *targets.valid.shape), -1)
    bce, dice = [], []
    for image, (shared, generator) in enumerate(zip(drawn, generators, strict=True)):
        truth = targets.masks[image][targets.valid[image]].float()
        if not len(truth):
            continue
        there = sample_points(truth[:, None], shared.expand(len(truth), -1, -1))[:, 0]
        picked = []
        for layer, all_masks in enumerate(masks):
            cost = _cost(all_masks[image], there, shared, choice[layer, image, :, : len(truth)], weights, copies)
            rows, columns = linear_sum_assignment(cost.numpy())
            matches[layer, image, columns] = torch.from_numpy(rows)
            picked.append(all_masks[image, matches[layer, image, : len(truth)].clone()])
        logits = torch.stack(picked, dim=1)  # [n, L, H_m, W_m]
        with torch.no_grad():
            where = uncertain_points(logits, points, generator).of_masks().flatten(0, 1)
            right = sample_points(truth.repeat_interleave(len(masks), 0)[:, None], where)[:, 0]
        predicted = sample_points(logits.flatten(0, 1)[:, None], where)[:, 0]
        bce.append(bce_loss(predicted, right).sum())
        dice.append(dice_loss(predicted, right).sum())
    return matches, torch.stack(bce).sum(), torch.stack(dice).sum()


@torch.no_grad()
def _cost(masks: Tensor, there: Tensor, shared: Tensor, choice: Tensor, weights: GroupWeights, copies: int) -> Tensor:
    """Return the cost [Q, n] of every query's mask for every target at the shared points."""
    logits = sample_points(masks[:, None], shared.expand(len(masks), -1, -1))[:, 0]
    entropy = (F.softplus(-logits) @ there.T + F.softplus(logits) @ (1 - there).T) / logits.shape[1]
    probability = logits.sigmoid()
    overlap = 2 * probability @ there.T
    dice = 1 - (overlap + 1) / (probability.sum(1)[:, None] + there.sum(1)[None] + 1)
    cost = weights.choice * choice + weights.bce * entropy + weights.dice * dice
    if copies:
        owner = torch.arange(len(masks)) // copies
        cost[owner[:, None] != torch.arange(len(there))[None]] = float("inf")
    return cost
