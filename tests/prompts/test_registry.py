from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace

import pytest

from seemkit.errors import InputError
from seemkit.model.seem import SEEM
from seemkit.nn.architecture import Architecture
from seemkit.prompts import registry
from seemkit.prompts.registry import Registry, installed
from seemkit.prompts.values import Point, Prompt, Text
from tests.networks import TINY

LASSO = """
from dataclasses import dataclass
from seemkit.plugin import Prompt, Region, RegionPromptEncoder, hookimpl, square

SEEMKIT_API = 2

@dataclass(frozen=True)
class Lasso(Prompt):
    row: int

class LassoEncoder(RegionPromptEncoder[Lasso]):
    kind = "{kind}"
    accepts = Lasso
    def region(self, prompt, size): return Region.of(square(prompt.row, 0, 1, size), positive=True)
    def simulate(self, subject, generator): return []
    @classmethod
    def parse(cls, text): return Lasso(int(text))

@hookimpl
def {hook}(register):
    register(LassoEncoder)
"""


def fresh() -> Registry:
    return registry.installed.__wrapped__()


def test_built_in_kinds_come_from_this_package():
    kinds = installed().kinds
    built_in = "box circle mask point polygon referred-region scribble text"
    assert set(built_in.split()) <= set(kinds)
    assert {kinds["point"].package, kinds["text"].package} == {"seemkit"}
    assert kinds["point"].version == importlib.metadata.version("seemkit")
    assert installed().kind_of(Point(1, 2)) == "point"
    assert installed().kind_of(Text("star")) == "text"


def test_unknown_kind_lists_those_that_are_installed():
    with pytest.raises(InputError, match=r"'lasso' is not installed; installed: .*point.*text"):
        installed()["lasso"]


def test_a_value_that_no_kind_takes():
    @dataclass(frozen=True)
    class Smell(Prompt):
        strength: float

    with pytest.raises(InputError, match="no installed prompt kind takes a Smell"):
        installed().kind_of(Smell(1.0))


def test_options_of_an_unknown_kind():
    with pytest.raises(InputError, match="'lasso' is not installed"):
        SEEM(replace(TINY, prompts={"lasso": {"side": 1}}))


def test_a_third_party_kind(install):
    install("seemkit-lasso", LASSO.format(kind="lasso", hook="seemkit_register_prompts"))
    kind = fresh()["lasso"]
    assert (kind.package, kind.version) == ("seemkit-lasso", "2.5")
    assert kind.encoder(4).parse("3").row == 3
    assert {"point", "text"} <= set(fresh().kinds)


def test_two_packages_with_one_kind(install):
    for package in ("first-lasso", "second-lasso"):
        install(package, LASSO.format(kind="lasso", hook="seemkit_register_prompts"))
    with pytest.raises(InputError, match="'lasso'") as error:
        fresh()
    assert "first-lasso" in str(error.value)
    assert "second-lasso" in str(error.value)


def test_a_package_with_a_built_in_kind(install):
    install("better-point", LASSO.format(kind="point", hook="seemkit_register_prompts"))
    with pytest.raises(InputError, match="'point'") as error:
        fresh()
    assert "'better-point'" in str(error.value)
    assert "'seemkit'" in str(error.value)


def test_two_packages_with_one_entry_point_name(install):
    # both authors follow the built-in kinds, whose entry points are called like the kind
    install("better-point", LASSO.format(kind="point", hook="seemkit_register_prompts"), entry="point")
    with pytest.raises(InputError, match="'point'") as error:
        fresh()
    assert "'better-point'" in str(error.value)
    assert "'seemkit'" in str(error.value)


def test_two_kinds_for_one_value():
    class Other(installed()["point"].encoder):
        kind = "other"

    kinds = Registry()
    kinds.add(installed()["point"].encoder, "seemkit", "1")
    with pytest.raises(InputError, match=r"'other' of package 'theirs' clashes with 'point' of 'seemkit'"):
        kinds.add(Other, "theirs", "1")


def test_a_misspelt_hook(install):
    install("seemkit-lasso", LASSO.format(kind="lasso", hook="seemkit_register_promts"))
    with pytest.raises(InputError, match=r"'seemkit-lasso' implements an unknown hook.*seemkit_register_promts"):
        fresh()


def test_a_plugin_for_another_interface(install):
    source = LASSO.format(kind="lasso", hook="seemkit_register_prompts")
    install("seemkit-lasso", source.replace("SEEMKIT_API = 2", "SEEMKIT_API = 1"))
    with pytest.raises(InputError, match=r"'seemkit-lasso' 2.5 is written for version 1 .* has version 2; uninstall"):
        fresh()


def test_a_plugin_that_forgets_its_version(install):
    source = LASSO.format(kind="lasso", hook="seemkit_register_prompts")
    install("seemkit-lasso", source.replace("SEEMKIT_API = 2", ""))
    with pytest.raises(InputError, match=r"'seemkit-lasso' 2.5 does not state .* add SEEMKIT_API = 2 to its module"):
        fresh()


@pytest.mark.parametrize("blocked", ["seemkit-broken", "other, lasso-entry ,text"])
def test_plugins_can_be_disabled(install, monkeypatch, blocked):
    install("seemkit-broken", "import no_such_module_anywhere\n", entry="lasso-entry")
    monkeypatch.setenv("SEEMKIT_DISABLE_PLUGINS", blocked)
    kinds = fresh().kinds
    assert "point" in kinds
    assert ("text" in kinds) is (blocked == "seemkit-broken")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def parse", "def prase"), "prompt kind 'lasso' does not implement parse"),
        (('kind = "lasso"', 'kind = "Las.so"'), "kind is 'Las.so'; expected a lower-case name"),
        (('kind = "lasso"', 'kind = "keys"'), "prompt kind 'keys' has a name that torch uses"),
        (("accepts = Lasso\n", "accepts = Lasso\n    group = None\n"), "group is None; expected a Group"),
        (("(register):", "(recorder):"), "recorder"),
        (("register(LassoEncoder)", "1 / 0"), "does not register: ZeroDivisionError"),
        (("accepts = Lasso", "accepts = int"), "accepts is <class 'int'>; expected a subclass of Prompt"),
        (
            ("register(LassoEncoder)", "register(Lasso)"),
            "expected a subclass of RegionPromptEncoder or TokenPromptEncoder",
        ),
    ],
)
def test_incomplete_kinds(install, change, message):
    source = LASSO.format(kind="lasso", hook="seemkit_register_prompts")
    assert change[0] in source
    install("seemkit-lasso", source.replace(*change))
    with pytest.raises(InputError, match=message) as error:
        fresh()
    assert "'seemkit-lasso'" in str(error.value)


def test_a_plugin_that_does_not_load(install):
    install("seemkit-broken", "import no_such_module_anywhere\n")
    with pytest.raises(
        InputError,
        match=r"'seemkit-broken' 2.5 does not load.*no_such_module_anywhere.*SEEMKIT_DISABLE_PLUGINS=seemkit-broken",
    ):
        fresh()


def test_names_of_kinds_are_options_of_the_architecture():
    network = SEEM(replace(TINY, prompts={"point": {"side": 5, "most": 2}}))
    encoder = network.sampler.kind("point")
    assert (encoder.side, encoder.most) == (5, 2)
    assert Architecture().prompts == {}
    with pytest.raises(InputError, match=r"architecture.prompts.point: .*'sides'"):
        SEEM(replace(TINY, prompts={"point": {"sides": 5}}))
