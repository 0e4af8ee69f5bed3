from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn

from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.training.config import Optimization, build_optimizer, build_schedule, freeze
from tests.networks import TINY


@pytest.fixture
def fresh() -> SEEM:
    with torch.random.fork_rng(devices=[]):
        return SEEM(TINY)


def settings(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter of a module that is trained."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
        if id(parameter) in names
    }


def test_every_trained_parameter_once(fresh):
    plan = Optimization()
    freeze(fresh, plan)
    optimizer = build_optimizer(fresh, None, plan)
    given = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(given) == len(set(given))
    assert set(given) == {id(p) for p in fresh.parameters() if p.requires_grad}
    trained = {name.split(".")[0] for name, p in fresh.named_parameters() if p.requires_grad}
    assert trained == {"level_embedding", "queries", "sampler", "decoder"}


def test_norms_and_embeddings_do_not_decay(fresh):
    found = settings(build_optimizer(fresh, None, Optimization(frozen=(), weight_decay=0.3)), fresh)
    decay = {name: value for name, (_, value) in found.items()}
    free = {
        "decoder.heads.norm.weight",
        "decoder.layers.0.self_norm.bias",
        "backbone.body.bn1.weight",
        "pixel_decoder.laterals.0.1.weight",
        "language.token_embedding.weight",
        "language.final_norm.weight",
    }
    decayed = {
        "decoder.layers.0.feed_forward.linear1.weight",
        "decoder.layers.0.feed_forward.linear1.bias",  # the reference's rule looks at the kind of the module
        "decoder.layers.0.self_attention.in_proj_weight",
        "pixel_decoder.mask_projection.weight",
        "decoder.heads.class_projection",
        "sampler.level_projection.0",
        "language.projection",
    }
    assert {decay[name] for name in free} == {0.0}
    assert {decay[name] for name in decayed} == {0.3}


def test_learned_tokens_do_not_decay(fresh):
    """They are embeddings: object queries, memory, levels, and the sign of a click."""
    found = settings(build_optimizer(fresh, None, Optimization(frozen=())), fresh)
    tokens = [name for name in found if name.startswith(("queries.", "level_embedding", "sampler.sign"))]
    assert len(tokens) == 6
    assert {name: found[name][1] for name in tokens} == dict.fromkeys(tokens, 0.0)


def test_parts_have_their_factor(fresh):
    plan = Optimization(learning_rate=2.0, factors={"backbone": 0.1, "language": 0.5}, frozen=("pixel_decoder",))
    freeze(fresh, plan)
    rates: dict[str, set[float]] = {}
    for name, (rate, _) in settings(build_optimizer(fresh, None, plan), fresh).items():
        rates.setdefault(name.split(".")[0], set()).add(rate)
    assert rates["backbone"] == {0.2}
    assert rates["language"] == {1.0}
    assert rates["decoder"] == rates["queries"] == {2.0}
    assert "pixel_decoder" not in rates


def test_a_module_beside_the_network_is_trained_too(fresh):
    extra = nn.Linear(3, 2)
    optimizer = build_optimizer(fresh, extra, Optimization(learning_rate=0.7))
    assert settings(optimizer, extra) == {"weight": (0.7, 0.05), "bias": (0.7, 0.05)}
    assert {group["betas"] for group in optimizer.param_groups} == {(0.9, 0.999)}


def test_frozen_parts_do_not_move(fresh):
    plan = Optimization(learning_rate=0.1)
    freeze(fresh, plan)
    before = copy.deepcopy(fresh.state_dict())
    optimizer = build_optimizer(fresh, None, plan)
    for parameter in fresh.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = {name.split(".")[0] for name, value in fresh.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"level_embedding", "queries", "sampler", "decoder"}


@pytest.mark.parametrize("plan", [Optimization(frozen=("encoder",)), Optimization(frozen=(), factors={"encoder": 0.1})])
def test_unknown_parts(fresh, plan):
    with pytest.raises(InputError, match=r"no part 'encoder'; it has .*backbone.*decoder"):
        freeze(fresh, plan)
    assert all(p.requires_grad for p in fresh.parameters())


def factors(plan: Optimization, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = build_schedule(optimizer, plan, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_steps_divide_by_ten_twice():
    found = factors(Optimization(), 1000)
    assert found[0] == found[888] == 1
    assert found[889] == found[962] == pytest.approx(0.1)
    assert found[963] == found[999] == pytest.approx(0.01)


def test_warm_up_rises_linearly():
    found = factors(Optimization(warmup=4), 100)
    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_cosine_falls_to_one_percent():
    found = factors(Optimization(schedule="cosine", warmup=10), 210)
    assert found[10] == pytest.approx(1)
    assert found[110] == pytest.approx(0.505)  # half way
    assert found[60] == pytest.approx(0.01 + 0.99 * (2 + 2**0.5) / 4, abs=1e-4)
    assert found[209] == pytest.approx(0.01, abs=1e-3)
    assert all(a > b for a, b in itertools.pairwise(found[10:]))
