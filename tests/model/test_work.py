"""What is not computed: counts instead of times, which differ from machine to machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from seemkit.inference.session import Session
from seemkit.losses.group_losses import Targets, mask_terms
from seemkit.losses.matching import match, share_points
from seemkit.losses.weights import LossWeights
from seemkit.model.seem import SEEM
from seemkit.nn import context
from seemkit.ops.memory_format import channels_last
from seemkit.prompts.values import Point, Text
from tests.networks import TINY, build, picture

SIDE = (16, 24)
"""Of the mask features of a 64 by 96 image."""
CLICKS = [Point(20.5, 10.5), Point(70.5, 40.5), Point(50.5, 50.5, positive=False)]


class Maps(TorchDispatchMode):
    """Notes how many maps of mask size each operation makes, features aside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(tensor, torch.Tensor) and tuple(tensor.shape[-2:]) == SIDE and tensor.is_floating_point():
                count = tensor.shape[:-2].numel()
                if self.width not in tensor.shape[:-2]:
                    self.most = max(self.most, count)
        return found


@contextmanager
def counted(monkeypatch, module, name="forward") -> Iterator[list[tuple]]:
    """The arguments of each call of a method."""
    calls: list[tuple] = []
    original = getattr(module, name)

    def noted(*given, **more):
        calls.append(given)
        return original(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, noted)
        yield calls


def test_the_image_is_encoded_once_a_session(network, monkeypatch):
    with (
        counted(monkeypatch, network.backbone) as encoded,
        counted(monkeypatch, network.decoder, "_read_image") as read,
    ):
        session = Session(network, picture(64, 96))
        assert len(read) == 1  # before the first click, which is to be quick
        for click in CLICKS:
            session.add(click).predict()
        session.predict(Text("the red star"))
        session.add(CLICKS[0], name="other").predict_all()
        session.undo().predict()
        session.panoptic()
        session.instances()
        session.semantic()
    assert len(encoded) == len(read) == 1


def test_an_image_that_is_not_decoded_needs_no_keys_and_values(network, monkeypatch):
    with torch.no_grad(), counted(monkeypatch, network.decoder, "_read_image") as read:
        context = network.encode_image([picture(64, 96)])
        small = context.nbytes
        assert not read
        for click in CLICKS[:2]:
            network.decode(context, [[[click]]])
    assert len(read) == 1
    assert context.nbytes == small + sum(part.nbytes for one in context.keys_values for part in one)


def test_a_click_computes_its_own_queries_alone(network, monkeypatch):
    session = Session(network, picture(64, 96))
    with counted(monkeypatch, network.decoder) as calls:
        for click in CLICKS:
            session.add(click).predict()
    assert len(calls) == len(CLICKS)  # a round each, whatever came before
    counts = [{t.group.name: t.count for t in tokens} for _, tokens, *_ in calls]
    assert set(counts[0]) == {"visual_query", "visual_prompt"}
    assert all(set(later) == {"visual_query", "memory", "visual_prompt"} for later in counts[1:])
    assert all(later["visual_query"] == TINY.visual_queries and later["memory"] == TINY.memory for later in counts[1:])


def test_a_text_needs_no_object_query_and_objects_no_prompt(network, monkeypatch):
    session = Session(network, picture(64, 96))
    with counted(monkeypatch, network.decoder) as calls:
        session.predict(Text("the red star"))
        session.panoptic()
    groups = [{t.group.name for t in tokens} for _, tokens, *_ in calls]
    assert groups == [{"text_query", "text_prompt"}, {"object_query"}]


@pytest.mark.parametrize("prompt", [CLICKS[0], Text("the red star")])
def test_an_answer_makes_one_mask_at_full_size(tiny_network, prompt):
    """Where there is no region head, which reads the image under all masks."""
    session = Session(tiny_network, picture(64, 96))
    with Maps(tiny_network.mask_dim) as maps:
        session.predict(prompt)
    assert maps.most == 1


@pytest.mark.parametrize("shipped", [False, True])
def test_no_click_copies_a_map_to_read_it(shipped, tiny_network):
    """They lie in memory as `mask_logits` wants them."""
    network = SEEM.from_pretrained("scenes-tiny") if shipped else tiny_network
    context = Session(network, picture(64, 96)).context
    for maps in (context.mask_features, context.region_features, *context.level_mask_features):
        assert channels_last(maps).data_ptr() == maps.data_ptr()


def test_an_answer_reads_the_regions_of_the_last_masks_alone(monkeypatch):
    network = build(replace(TINY, region_head=True))
    session = Session(network, picture(64, 96))
    for ask in (lambda: session.predict(CLICKS[0]), lambda: session.predict(Text("the red star")), session.panoptic):
        with counted(monkeypatch, network.decoder.region_head) as calls:
            ask()
        assert len(calls) == 1


def test_only_confident_segments_are_enlarged(network, monkeypatch):
    session = Session(network, picture(64, 96))
    with counted(monkeypatch, context, "restore") as calls:
        found = session.panoptic(threshold=0.999)
    assert len(found) <= sum(len(masks) for masks, *_ in calls) < TINY.queries


def test_losses_make_masks_of_matched_queries_alone():
    layers, queries, width = 3, 10, 5
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(layers, 1, queries, width, generator=generator).requires_grad_()
    features = torch.randn(1, width, *SIDE, generator=generator)
    masks = torch.rand(1, 2, 64, 96, generator=generator) > 0.5
    targets = Targets(masks, torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2, dtype=torch.int64))
    with Maps(width) as maps:
        shared = share_points(features, 40, [generator])
        found = match(torch.zeros(layers, 1, queries, 2), embeddings.detach(), targets, shared, LossWeights().cost)
        bce, dice = mask_terms(embeddings, features, targets, found, 40, [generator])
        (bce.mean + dice.mean).backward()
    assert maps.most == layers * 2
