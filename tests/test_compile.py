"""Encoder and decoder as one graph each, for `torch.compile` and `torch.export`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seemkit.decoded import Draws
from seemkit.network import SEEM
from seemkit.prompts.values import Point, Text
from tests.networks import picture, same

BOTH = [[Point(9.5, 9.5)], [Text("sky")]]


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()
    with torch.no_grad():
        yield
    torch.compiler.reset()


def test_the_encoder_is_one_graph(field_network):
    image = picture(64, 96)
    found = torch.compile(field_network.encode_image, backend="eager", fullgraph=True)([image])
    expected = field_network.encode_image([image])
    torch.testing.assert_close(found.mask_features, expected.mask_features, atol=1e-4, rtol=1e-4)
    for mine, other in zip(found.keys_values, expected.keys_values, strict=True):
        torch.testing.assert_close(mine.keys, other.keys, atol=1e-4, rtol=1e-4)


def test_the_decoder_of_objects_is_one_graph(field_network):
    context = field_network.encode_image([picture(64, 96)])
    found = torch.compile(field_network.decode, backend="eager", fullgraph=True)(context, objects=True)
    expected = field_network.decode(context, objects=True)
    assert same(found.layers[-1]["object_query"], expected.layers[-1]["object_query"], atol=1e-4)


@pytest.mark.parametrize(("prompts", "memory"), [(BOTH, True), ([[Text("the red star")]], False)])
def test_the_decoder_of_prompts_is_one_graph(field_network, prompts, memory):
    context = field_network.encode_image([picture(64, 96)])
    expected, arguments = decoding(field_network, context, prompts, memory)
    found = torch.compile(field_network.decoder, backend="eager", fullgraph=True)(*arguments)
    for group, embeddings in expected[-1].items():
        assert same(found[-1][group], embeddings, atol=1e-4)


def decoding(network: SEEM, context, prompts, memory: bool):
    """What the decoder answers and what it was given."""
    given = []
    handle = network.decoder.register_forward_pre_hook(lambda _, arguments: given.append(arguments))
    previous = torch.randn(1, 1, *context.mask_features.shape[2:]) if memory else None
    decoded = network.decode(context, [prompts], previous=previous, draws=Draws())
    handle.remove()
    return decoded.layers, given[0]


class Objects(nn.Module):
    """Pixels to the masks and classes of the object queries."""

    def __init__(self, network: SEEM) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        decoded = self.network.decode(self.network.encode_image([image]), objects=True)
        return decoded.masks("object_query"), decoded.layers[-1]["object_query"].classes


def test_encoder_and_decoder_can_be_exported(field_network):
    module, image = Objects(field_network).eval(), picture(64, 96).float()
    exported = torch.export.export(module, (image,))
    other = picture(64, 96, seed=1).float()
    for found, expected in zip(exported.module()(other), module(other), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
