"""Encoder and decoder as one graph each, for `torch.compile` and `torch.export`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seemkit.model.seem import SEEM
from seemkit.prompts.values import Point, Text
from tests.networks import picture, same


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()
    with torch.no_grad():
        yield
    torch.compiler.reset()


def test_encoder_and_decoder_of_objects_are_one_graph(field_network):
    module, image = Objects(field_network), picture(64, 96)
    found = torch.compile(module, backend="eager", fullgraph=True)(image)
    for mine, expected in zip(found, module(image), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-4)


def test_the_decoder_of_prompts_is_one_graph(field_network):
    """Clicks and a text of two objects, and memory."""
    context = field_network.encode_image([picture(64, 96)])
    expected, arguments = decoding(field_network, context, [[Point(9.5, 9.5)], [Text("the red star")]])
    found = torch.compile(field_network.decoder, backend="eager", fullgraph=True)(*arguments)
    for group, embeddings in expected[-1].items():
        assert same(found[-1][group], embeddings, atol=1e-4)


def decoding(network: SEEM, context, prompts):
    """What the decoder answers and what it was given."""
    given = []
    handle = network.decoder.register_forward_pre_hook(lambda _, arguments: given.append(arguments))
    decoded = network.decode(context, [prompts], previous=torch.randn(1, 1, *context.mask_features.shape[2:]))
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
