"""The installed prompt kinds."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from torch import nn

from seemkit.errors import InputError
from seemkit.nn.tokens import Group, queries_for
from seemkit.prompts import hooks
from seemkit.prompts.encoder import PromptEncoder, RegionPromptEncoder, TokenPromptEncoder
from seemkit.prompts.values import Prompt

DISABLE = "SEEMKIT_DISABLE_PLUGINS"
"""Environment variable with the names of entry points or packages not to load, separated by commas."""

TORCH_NAMES = frozenset(dir(nn.ModuleDict()))
"""Names that no kind can have, because they are attributes of `nn.ModuleDict`, which holds the encoders by kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An installed prompt kind.

    Attributes:
        encoder: the encoder class.
        package: the distribution that provides the kind.
        version: version of that distribution.
    """

    encoder: type[PromptEncoder[Any]]
    package: str
    version: str


class Registry:
    """Prompt kinds by name, each from one package.

    Attributes:
        kinds: name to kind, in the order of registration.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self._names: dict[type[Prompt], str] = {}

    def add(self, encoder: type[PromptEncoder[Any]], package: str, version: str) -> None:
        """Add a prompt kind.

        Raises:
            InputError: the class is not a complete encoder, a kind with that name or prompt value exists already, or
                a kind has a different token group with the same name.
        """
        _refuse_incomplete(encoder, package)
        for name, kind in self.kinds.items():
            if name == encoder.kind or kind.encoder.accepts is encoder.accepts:
                raise InputError(
                    f"prompt kind {encoder.kind!r} of package {package!r} clashes with {name!r} of {kind.package!r}: "
                    f"uninstall one of the two, or set {DISABLE} to its name"
                )
            other = kind.encoder.group
            if other.name == encoder.group.name and other != encoder.group:
                raise InputError(
                    f"prompt kind {encoder.kind!r} of package {package!r} and {name!r} of {kind.package!r} have "
                    f"different token groups with the name {other.name!r}: rename one of them"
                )
        self.kinds[encoder.kind] = Kind(encoder, package, version)
        self._names[encoder.accepts] = encoder.kind

    def __getitem__(self, name: str) -> Kind:
        """Return the kind with that name.

        Raises:
            InputError: no such kind is installed; the message lists the installed ones.
        """
        self.require(name)
        return self.kinds[name]

    def require(self, name: str) -> None:
        """Raise InputError unless a kind with that name is installed; the message lists the installed ones."""
        if name not in self.kinds:
            raise InputError(f"prompt kind {name!r} is not installed; installed: {', '.join(sorted(self.kinds))}")

    def kind_of(self, prompt: Prompt) -> str:
        """Return the name of the kind that takes this prompt value.

        Raises:
            InputError: no installed kind takes it.
        """
        if isinstance(prompt, str):
            raise InputError(f"a prompt is a value, not a string: write Text({prompt[:40]!r})")
        if type(prompt) not in self._names:
            raise InputError(
                f"no installed prompt kind takes a {type(prompt).__name__}; installed: {', '.join(sorted(self.kinds))}"
            )
        return self._names[type(prompt)]


@cache
def installed() -> Registry:
    """Return the kinds of all installed packages; built-in kinds use the same entry points as plugins.

    Raises:
        InputError: a plugin does not load or register, implements an unknown hook, needs another version of the
            interface, or clashes with another; the message names its package.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    registry = Registry()
    for point, package, version in _entry_points():
        module = _load(point, package, version)
        try:
            manager.register(module, name=point.name)
            manager.check_pending()
            others = [other for other in manager.get_plugins() if other is not module]
            hook = manager.subset_hook_caller("seemkit_register_prompts", others)
            hook(register=lambda encoder, p=package, v=version: registry.add(encoder, p, v))
        except InputError:
            raise
        except pluggy.PluginValidationError as error:
            raise InputError(
                f"plugin {point.name!r} of package {package!r} implements an unknown hook: {one_line(error)}"
            ) from error
        except Exception as error:
            raise InputError(
                f"plugin {point.name!r} of package {package!r} {version} does not register: {one_line(error)}; "
                f"{_advice(point)}"
            ) from error
    return registry


def parse_prompt(word: str) -> Prompt:
    """Return the prompt that a command-line word ``KIND=VALUE`` describes.

    Raises:
        InputError: the kind is not installed, or its value is unreadable.
    """
    kind, separator, value = word.partition("=")
    if not separator:
        raise InputError(f"prompt {word!r}: expected KIND=VALUE, for example point=120,80")
    return installed()[kind].encoder.parse(value)


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """Return the prompt as plain data: its kind and its fields."""
    kind = installed().kind_of(prompt)
    return {"kind": kind, **installed()[kind].encoder.to_json(prompt)}


def prompt_from_json(values: object) -> Prompt:
    """Return the prompt that `prompt_to_json` wrote.

    Raises:
        InputError: the kind is missing or not installed, or a field is wrong.
    """
    if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
        raise InputError(f"prompt {str(values)[:60]!r}: expected an object with the field 'kind'")
    fields = {name: value for name, value in values.items() if name != "kind"}
    return installed()[values["kind"]].encoder.from_json(fields)


def _entry_points() -> Iterator[tuple[EntryPoint, str, str]]:
    """Yield each plugin that is not disabled, sorted by name, with its package and version.

    Raises:
        InputError: two packages have a plugin with the same name.
    """
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    seen: dict[str, str] = {}
    for point in sorted(entry_points(group=hooks.PROJECT), key=lambda point: point.name):
        package, version = (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "?")
        if disabled & {point.name, package}:
            continue
        if point.name in seen:
            raise InputError(
                f"seemkit plugin {point.name!r} is provided by two packages, {seen[point.name]!r} and {package!r}: "
                "uninstall one of the two"
            )
        seen[point.name] = package
        yield point, package, version


def _load(point: EntryPoint, package: str, version: str) -> object:
    """Return the plugin's module.

    Raises:
        InputError: the module does not load, or does not state this version of the interface.
    """
    try:
        module = point.load()
    except Exception as error:  # a plugin can fail in any way
        raise InputError(
            f"plugin {point.name!r} of package {package!r} {version} does not load: {one_line(error)}; {_advice(point)}"
        ) from error
    wanted = getattr(module, "SEEMKIT_API", None)
    if wanted is None:
        raise InputError(
            f"plugin {point.name!r} of package {package!r} {version} does not state the version of the plugin "
            f"interface that it is written for; add SEEMKIT_API = {hooks.API} to its module, or set "
            f"{DISABLE}={point.name}"
        )
    if wanted != hooks.API:
        raise InputError(
            f"plugin {point.name!r} of package {package!r} {version} is written for version {wanted} of the plugin "
            f"interface; this seemkit has version {hooks.API}; {_advice(point)}"
        )
    return module


def _advice(point: EntryPoint) -> str:
    return f"uninstall or update it, or set {DISABLE}={point.name}"


def one_line(error: Exception) -> str:
    """Return the class name of an error and its message, without line breaks."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _refuse_incomplete(encoder: object, package: str) -> None:
    families = (RegionPromptEncoder, TokenPromptEncoder)
    if not (isinstance(encoder, type) and issubclass(encoder, families)):
        names = " or ".join(family.__name__ for family in families)
        raise InputError(f"package {package!r} registers {encoder!r}; expected a subclass of {names}")
    kind = getattr(encoder, "kind", None)
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", kind):
        raise InputError(f"package {package!r}: {encoder.__name__}.kind is {kind!r}; expected a lower-case name")
    if kind in TORCH_NAMES:
        raise InputError(f"package {package!r}: prompt kind {kind!r} has a name that torch uses; choose another name")
    accepts = getattr(encoder, "accepts", None)
    if not (isinstance(accepts, type) and issubclass(accepts, Prompt)):
        raise InputError(
            f"package {package!r}: {encoder.__name__}.accepts is {accepts!r}; expected a subclass of Prompt"
        )
    group = getattr(encoder, "group", None)
    if not isinstance(group, Group) or queries_for(group) is None:
        raise InputError(
            f"package {package!r}: {encoder.__name__}.group is {group!r}; expected a Group whose read_by names visual "
            "or text queries"
        )
    if inspect.isabstract(encoder):
        missing = ", ".join(sorted(encoder.__abstractmethods__))
        raise InputError(f"package {package!r}: prompt kind {kind!r} does not implement {missing}")
