from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seemkit.nn.backbones.focalnet import FocalNet


@pytest.fixture(scope="module", params=[True, False], ids=["depthwise", "plain"])
def net(request) -> FocalNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = FocalNet(8, (1, 1, 2, 1), 2, depthwise=request.param).eval()
        for parameter in found.parameters():
            parameter.data.add_(torch.randn(parameter.shape), alpha=0.1)
    return found


def test_maps_are_finest_first(net):
    with torch.no_grad():
        maps = net(torch.randn(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [(2, 8, 16, 24), (2, 16, 8, 12), (2, 32, 4, 6), (2, 64, 2, 3)]
    assert (net.channels, net.strides) == ([8, 16, 32, 64], [4, 8, 16, 32])


def layer_norm(x: torch.Tensor, norm: torch.nn.Module) -> torch.Tensor:
    moved = x.permute(0, 2, 3, 1)
    return F.layer_norm(moved, moved.shape[-1:], norm.weight, norm.bias, 1e-5).permute(0, 3, 1, 2)


def modulation(part, x: torch.Tensor) -> torch.Tensor:
    width, levels = x.shape[1], len(part.focal_layers)
    query, context, gates = F.conv2d(x, part.f.weight, part.f.bias).split((width, width, levels + 1), 1)
    total = torch.zeros_like(query)
    for level in range(levels):
        weight = part.focal_layers[level][0].weight
        context = F.gelu(F.conv2d(context, weight, padding=weight.shape[-1] // 2, groups=width))
        total = total + context * gates[:, level : level + 1]
    total = total + F.gelu(context.mean((2, 3), keepdim=True)) * gates[:, levels:]
    mixed = F.conv2d(total / (levels + 1), part.h.weight, part.h.bias)
    return F.conv2d(query * mixed, part.proj.weight, part.proj.bias)


def test_a_block_written_plainly(net):
    block, x = net.stages[2].blocks[1], torch.randn(1, 32, 5, 7)

    def mlp(y: torch.Tensor) -> torch.Tensor:
        hidden = F.gelu(F.conv2d(y, block.mlp.fc1.weight, block.mlp.fc1.bias))
        return F.conv2d(hidden, block.mlp.fc2.weight, block.mlp.fc2.bias)

    with torch.no_grad():
        found = block(x)
        if hasattr(block, "dw1"):
            x = x + F.conv2d(x, block.dw1.weight, block.dw1.bias, padding=1, groups=32)
            gated = block.ls1.gamma[:, None, None] * modulation(block.modulation, x)
            x = layer_norm(x + gated, block.norm1_post)
            x = x + F.conv2d(x, block.dw2.weight, block.dw2.bias, padding=1, groups=32)
            x = layer_norm(x + block.ls2.gamma[:, None, None] * mlp(x), block.norm2_post)
        else:
            gated = layer_norm(modulation(block.modulation, x), block.norm1_post)
            x = x + block.ls1.gamma[:, None, None] * gated
            x = x + block.ls2.gamma[:, None, None] * layer_norm(mlp(x), block.norm2_post)
    torch.testing.assert_close(found, x, atol=1e-5, rtol=1e-5)


def test_the_next_stage_does_not_see_a_level_s_norm(net):
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = net(image)
        net.norms[0].weight.mul_(2)
        after = net(image)
        net.norms[0].weight.div_(2)
    assert not torch.equal(before[0], after[0])
    assert all(torch.equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))


def test_the_stem_s_padding(net):
    depthwise = hasattr(net.stages[0].blocks[0], "dw1")
    assert net.stem.proj.padding == ((3, 3) if depthwise else (2, 2))
