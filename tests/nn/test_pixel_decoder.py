from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seemkit.errors import InputError
from seemkit.nn.backbones.backbone import Backbone
from seemkit.nn.pixel_decoder import FineMasks, PixelDecoder

CHANNELS = (4, 6, 8, 10)


@pytest.fixture(scope="module")
def decoder() -> PixelDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PixelDecoder(CHANNELS, 32, 12, num_heads=4, ffn_dim=16, layers=1).eval()


@pytest.fixture
def features() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, c, 16 >> i, 24 >> i, generator=generator) for i, c in enumerate(CHANNELS)]


def test_levels_are_coarsest_first(decoder, features):
    found = decoder(features)
    assert [tuple(level.shape) for level in found.levels] == [(1, 32, 2, 3), (1, 32, 4, 6), (1, 32, 8, 12)]
    assert found.mask_features.shape == (1, 12, 16, 24)


@pytest.mark.parametrize("finest", range(4))
def test_a_map_reaches_its_own_level_and_finer_ones(decoder, features, finest):
    before = decoder(features)
    noise = torch.randn(features[finest].shape, generator=torch.Generator().manual_seed(5))
    features[finest] = features[finest] + noise
    after = decoder(features)
    changed = [not torch.equal(a, b) for a, b in zip(before.levels, after.levels, strict=True)]
    assert changed == [finest >= 3, finest >= 2, finest >= 1]
    assert not torch.equal(before.mask_features, after.mask_features)


def test_top_down_path_written_plainly(decoder, features):
    with torch.no_grad():
        found = decoder(features)

        def norm(part: torch.nn.Sequential, maps: torch.Tensor) -> torch.Tensor:
            convolution, group = part[0], part[1]
            maps = F.conv2d(maps, convolution.weight, padding=convolution.kernel_size[0] // 2)
            return F.group_norm(maps, 32, group.weight, group.bias)

        coarse = found.levels[0]
        for level, index in ((1, 2), (2, 1)):
            up = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
            coarse = norm(decoder.outputs[index], norm(decoder.laterals[index], features[index]) + up).relu()
            torch.testing.assert_close(found.levels[level], coarse, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "options", "levels"),
    [
        ("resnet10t", {"channels": [8, 8, 16, 32], "stem_type": "deep", "stem_width": 8}, (1, 2, 3, 4)),
        ("resnet", {"channels": [8, 8, 16, 32], "stem": 8}, (1, 2, 3, 4)),
        ("focalnet", {"embed_dim": 8, "depths": [1, 1, 1, 1], "focal_level": 1}, (0, 1, 2, 3)),
    ],
)
def test_backbone_maps_are_finest_first(name, options, levels):
    backbone = Backbone(name, options, levels)
    maps = backbone.eval()(torch.zeros(1, 3, 64, 96))
    assert backbone.strides == [4, 8, 16, 32]
    assert [tuple(m.shape[1:]) for m in maps] == [
        (c, 64 // s, 96 // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)
    ]


@pytest.mark.parametrize("name", ["no_such_net", "resnet*"])
def test_unknown_backbone(name):
    with pytest.raises(InputError, match="backbone: timm has no model"):
        Backbone(name)


def test_fine_masks_are_twice_as_fine_and_see_the_finest_map(features):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fine = PixelDecoder((5, *CHANNELS), 32, 12, num_heads=4, ffn_dim=16, layers=1, fine_masks=True).eval()
    detail = torch.randn(1, 5, 32, 48, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found, other = fine([detail, *features]), fine([-detail, *features])
    assert found.mask_features.shape == (1, 12, 32, 48)
    assert [level.shape[-1] for level in found.levels] == [3, 6, 12]
    assert all(torch.equal(a, b) for a, b in zip(found.levels, other.levels, strict=True))
    assert not torch.equal(found.mask_features, other.mask_features)


def test_fine_masks_split_each_cell_in_four(features):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fine = FineMasks(5, 32, 12).eval()
    coarse = torch.zeros(1, 32, 2, 2)
    coarse[..., 0, 1] = 1
    with torch.no_grad():
        changed = fine(coarse, torch.zeros(1, 5, 4, 4)) - fine(torch.zeros_like(coarse), torch.zeros(1, 5, 4, 4))
    assert changed.abs().amax(dim=(0, 1)).nonzero().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
