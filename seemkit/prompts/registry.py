"""The prompt kinds that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pluggy

from seemkit.errors import InputError
from seemkit.prompts import hooks
from seemkit.prompts.encoder import PromptEncoder
from seemkit.prompts.values import Prompt


@dataclass(frozen=True, slots=True)
class Kind:
    """An installed prompt kind.

    Attributes:
        encoder: its class.
        package: the distribution that brought it.
        version: that distribution's version.
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
        """Takes in a kind.

        Raises:
            InputError: another package already brought a kind of that name or for that prompt value.
        """
        for name, kind in self.kinds.items():
            if name == encoder.kind or kind.encoder.accepts is encoder.accepts:
                raise InputError(
                    f"prompt kind {encoder.kind!r} of package {package!r} clashes with {name!r} of {kind.package!r}: "
                    "uninstall one of the two"
                )
        self.kinds[encoder.kind] = Kind(encoder, package, version)
        self._names[encoder.accepts] = encoder.kind

    def __getitem__(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            InputError: there is none; the message lists those that are installed.
        """
        if name not in self.kinds:
            raise InputError(f"prompt kind {name!r} is not installed; installed: {', '.join(sorted(self.kinds))}")
        return self.kinds[name]

    def kind_of(self, prompt: Prompt) -> str:
        """The name of the kind that takes this prompt value.

        Raises:
            InputError: none does.
        """
        if type(prompt) not in self._names:
            raise InputError(f"no installed prompt kind takes a {type(prompt).__name__}")
        return self._names[type(prompt)]


@cache
def installed() -> Registry:
    """The kinds of all installed packages, built-in ones through the same entry points as others.

    Raises:
        InputError: a plugin does not load, misspells a hook, or clashes with another.
    """
    _refuse_equal_names()
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.load_setuptools_entrypoints(hooks.PROJECT)
    except Exception as error:
        raise InputError(f"a seemkit plugin does not load: {type(error).__name__}: {error}") from error
    owners = {id(plugin): distribution for plugin, distribution in manager.list_plugin_distinfo()}
    registry = Registry()
    for plugin in manager.get_plugins():
        distribution = owners[id(plugin)]
        package, version = distribution.project_name, distribution.version
        caller = manager.subset_hook_caller(
            "seemkit_register_prompts", [other for other in manager.get_plugins() if other is not plugin]
        )
        caller(register=lambda encoder, p=package, v=version: registry.add(encoder, p, v))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise InputError(f"a seemkit plugin implements an unknown hook: {error}") from error
    return registry


def _refuse_equal_names() -> None:
    """Raises for two entry points of one name, of which pluggy would silently take the first."""
    packages: dict[str, str] = {}
    for point in entry_points(group=hooks.PROJECT):
        package = point.dist.name if point.dist is not None else "unknown"
        if point.name in packages:
            raise InputError(
                f"seemkit plugin {point.name!r} is brought by two packages, {packages[point.name]!r} and {package!r}: "
                "uninstall one of the two"
            )
        packages[point.name] = package
