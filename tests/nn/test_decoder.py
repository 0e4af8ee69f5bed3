"""The decoder against the reference written plainly: full-size masks, torch's own attention, one image, no caches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seemkit.nn.context import ImageContext, level_positions
from seemkit.nn.decoder import Decoder, PreviousMasks, attention_mask
from seemkit.nn.region_head import RegionHead
from seemkit.nn.tokens import (
    MEMORY,
    OBJECT_QUERY,
    SHARED,
    TEXT_PROMPT,
    TEXT_QUERY,
    VISUAL_PROMPT,
    VISUAL_QUERY,
    Role,
    Tokens,
    visibility,
)
from seemkit.types import Size

WIDTH, HEADS, LAYERS, GRID = 16, 2, 4, Size(16, 24)
SHAPES = [Size(2, 3), Size(4, 6), Size(8, 12)]
OWNERS = [  # of each group's tokens; two objects, memory in turn
    (OBJECT_QUERY, [SHARED] * 5),
    (TEXT_QUERY, [SHARED] * 5),
    (VISUAL_QUERY, [0, 0, 1, 1]),
    (MEMORY, [0, 0, 1]),
    (TEXT_PROMPT, [SHARED] * 4),
    (VISUAL_PROMPT, [0, 1, 1]),
]


class Scene:
    """A decoder with random weights, an image and tokens of all groups."""

    def __init__(self, carry: bool = False, region_head: bool = False) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            head = RegionHead((WIDTH,) * 4, 8) if region_head else None
            self.decoder = Decoder(
                WIDTH,
                8,
                WIDTH,
                layers=LAYERS,
                num_heads=HEADS,
                ffn_dim=20,
                values_carry_position=carry,
                region_head=head,
            ).eval()
            for parameter in self.decoder.parameters():
                nn.init.normal_(parameter, std=0.5)
            self.levels = [torch.randn(1, s.height * s.width, WIDTH) for s in SHAPES]
            self.positions = [level_positions(level, s) for level, s in zip(self.levels, SHAPES, strict=True)]
            self.features = torch.randn(1, WIDTH, *GRID)
            self.previous = torch.randn(1, 2, *GRID)
            self.bias = {"visual_query": torch.randn(1, 4, WIDTH)}
            self.tokens = [self._tokens(group, owner) for group, owner in OWNERS]
        resized = [F.interpolate(self.features, size=tuple(s), mode="bilinear") for s in SHAPES]
        with torch.no_grad():
            read = self.decoder.read_image(self.levels, SHAPES)
        size = Size(64, 96)
        self.context = ImageContext(
            self.levels, SHAPES, self.features, resized, self.features, read, size, [size], [size]
        )

    def _tokens(self, group, owner: list[int]) -> Tokens:
        values = [torch.randn(1, len(owner), WIDTH) for _ in range(3 if group.fresh else 1)]
        positions = values if group.role is Role.PROMPT else [torch.randn(1, len(owner), WIDTH)]
        owners = torch.tensor(owner)[None, None]
        return Tokens(group, values, positions, owners, torch.ones(1, len(owner), dtype=torch.bool))


def torch_attention(ours: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, allowed: Tensor) -> Tensor:
    attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    attention.load_state_dict(ours.state_dict())
    return attention(queries, keys, values, attn_mask=~allowed)[0]


def plainly(scene: Scene, carry: bool) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """Full-size mask logits [N, H, W] and classes of every query group, for the first tokens and after each layer."""
    values = {t.group.name: t.values[0] for t in scene.tokens}
    found = [predict(scene, values)]
    for index, layer in enumerate(scene.decoder.layers):
        level = index % 3
        keys = scene.levels[level] + scene.positions[level]
        for t in scene.tokens:
            if t.group.role is not Role.PROMPT:
                seen = found[-1].get(t.group.name)
                masks = scene.previous[0, t.owner[0, 0]] if seen is None else seen[0]
                inside = F.interpolate(masks[None], size=tuple(SHAPES[level]), mode="bilinear")[0].flatten(1)
                allowed = inside.sigmoid() >= 0.5
                allowed[~allowed.any(1)] = True
                mine = values[t.group.name]
                read = torch_attention(
                    layer.cross_attention, mine + t.positions[0], keys, keys if carry else scene.levels[level], allowed
                )
                values[t.group.name] = layer.cross_norm(mine + read)
            elif t.group.fresh:
                values[t.group.name] = t.values[level]
        joint = torch.cat([values[t.group.name] for t in scene.tokens], dim=1)
        placed = joint + torch.cat([t.positions[level if t.group.fresh else 0] for t in scene.tokens], dim=1)
        read = torch_attention(layer.self_attention, placed, placed, joint, visibility(scene.tokens, index)[0])
        joint = layer.self_norm(joint + read)
        ffn = layer.feed_forward
        joint = ffn.norm(joint + ffn.linear2(ffn.linear1(joint).relu()))
        parts = joint.split([t.count for t in scene.tokens], dim=1)
        values = {t.group.name: part for t, part in zip(scene.tokens, parts, strict=True)}
        found.append(predict(scene, values))
    return found


def predict(scene: Scene, values: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    found = {}
    for name in ("object_query", "text_query", "visual_query"):
        classes, embedding = scene.decoder.heads.classes(values[name]), scene.decoder.heads.masks(values[name])
        masks = torch.einsum("nc,chw->nhw", (embedding + scene.bias.get(name, 0))[0], scene.features[0])
        found[name] = masks, classes[0] + under(scene, masks)
    return found


def under(scene: Scene, masks: Tensor) -> Tensor:
    """What the region head makes of the features under full-size masks, [N, C]; zero without one."""
    head = scene.decoder.region_head
    if head is None:
        return torch.zeros(())
    maps = [level[0].T.unflatten(1, tuple(shape)) for level, shape in zip(scene.levels, SHAPES, strict=True)]
    total = torch.zeros(())
    for projection, features in zip(head.projections, [*maps, scene.features[0]], strict=True):
        share = F.interpolate(masks[None], size=features.shape[-2:], mode="bilinear")[0].sigmoid()
        mean = torch.einsum("nhw,chw->nc", share, features) / share.sum(dim=(1, 2))[:, None]
        total = total + F.normalize(projection(mean), dim=1)
    return head.gain * total / 4


@pytest.mark.parametrize(("carry", "region_head"), [(False, False), (True, False), (False, True)])
def test_equals_the_reference_written_plainly(carry, region_head):
    scene = Scene(carry, region_head)
    slot = torch.tensor([[[0, 0, 1]]])
    with torch.no_grad():
        found = scene.decoder(
            scene.context, scene.tokens, PreviousMasks(scene.previous, slot), scene.bias, every_layer=True
        )
        expected = plainly(scene, carry)
    assert len(found) == len(expected) == LAYERS + 1
    for ours, reference in zip(found, expected, strict=True):
        assert ours.keys() == reference.keys()
        for name, (masks, classes) in reference.items():
            torch.testing.assert_close(ours[name].classes[0], classes, atol=2e-3, rtol=1e-4)
            logits = torch.einsum("nc,chw->nhw", ours[name].masks[0], scene.features[0])
            torch.testing.assert_close(logits, masks, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("region_head", [False, True])
def test_the_last_layer_alone_is_the_last_of_all(region_head):
    scene, slot = Scene(region_head=region_head), torch.tensor([[[0, 0, 1]]])
    given = scene.context, scene.tokens, PreviousMasks(scene.previous, slot), scene.bias
    with torch.no_grad():
        (found,), last = scene.decoder(*given), scene.decoder(*given, every_layer=True)[-1]
    assert found.keys() == last.keys()
    assert all(torch.equal(a, b) for name in last for a, b in zip(found[name], last[name], strict=True))


def test_memory_slots_may_change_hands_at_each_layer():
    scene = Scene()

    def decode(slot: list[list[int]]) -> Tensor:
        previous = PreviousMasks(scene.previous, torch.tensor(slot)[:, None])
        with torch.no_grad():
            return scene.decoder(scene.context, scene.tokens, previous)[-1]["visual_query"].masks

    same = decode([[0, 0, 1]] * LAYERS)
    assert torch.equal(same, decode([[0, 0, 1]]))
    assert not torch.equal(same, decode([[0, 0, 1]] * (LAYERS - 2) + [[1, 1, 0]] * 2))


def test_memory_needs_the_masks_of_the_round_before():
    scene = Scene()
    with pytest.raises(ValueError, match="memory"):
        scene.decoder(scene.context, scene.tokens)


def test_where_a_query_looks():
    scene, cells = Scene(), 6
    features = torch.zeros(1, WIDTH, 1, cells)
    features[0, 0, 0] = torch.tensor([-1.0, -1, 3, -1, 0, -1])
    features[0, 1] = -1
    context = replace(scene.context, level_mask_features=[features] * 3)
    masks = torch.zeros(1, 5, WIDTH)
    masks[0, 0, 0] = masks[0, 1, 1] = 1
    masks[0, 2, 0] = -1
    allowed = attention_mask(context, masks, None, 0)[0]
    assert allowed[0].nonzero().flatten().tolist() == [2, 4]  # inside its mask, where a logit of 0 still is
    assert allowed[1].all()  # its mask is empty
    assert allowed[2].nonzero().flatten().tolist() == [0, 1, 3, 4, 5]
    assert allowed[3].all()  # all logits are 0


@pytest.mark.parametrize("region_head", [False, True])
def test_gradients_reach_every_weight_and_every_token(region_head):
    scene = Scene(region_head=region_head)
    for t in scene.tokens:
        for tensor in (*t.values, *t.positions):
            tensor.requires_grad_()
    levels = [level.clone().requires_grad_() for level in scene.levels]
    read = scene.decoder.read_image(levels, SHAPES)
    context = ImageContext(
        levels,
        SHAPES,
        scene.features,
        scene.context.level_mask_features,
        scene.context.region_features,
        read,
        Size(64, 96),
        [GRID],
        [GRID],
    )
    slot = torch.tensor([[[0, 0, 1]]])
    layers = scene.decoder(context, scene.tokens, PreviousMasks(scene.previous, slot), every_layer=True)
    sum(e.masks.square().sum() + e.classes.square().sum() for layer in layers for e in layer.values()).backward()
    assert [name for name, p in scene.decoder.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(tensor.grad is not None and tensor.grad.any() for t in scene.tokens for tensor in t.values)
    assert all(level.grad.any() for level in levels)
