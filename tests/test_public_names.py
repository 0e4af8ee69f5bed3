"""Names that users and configurations rely on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import seemkit
from seemkit import plugin
from seemkit.prompts.hooks import API

ROOT = Path(__file__).parents[1]
LAZY = ("seemkit", "seemkit.callbacks", "seemkit.cluster", "seemkit.data")
PLUGINS = [
    *sorted((ROOT / "plugins" / "seemkit_prompts").glob("*.py")),
    ROOT / "plugins" / "seemkit-lasso" / "seemkit_lasso.py",
    ROOT / "docs" / "examples" / "sound.py",
    ROOT / "seemkit" / "cli" / "templates" / "plugin" / "module.py.txt",
]


def imports(source: str) -> list[tuple[str, str]]:
    """Module and name of each ``from ... import``."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return [(node.module or "", name.name) for node in found for name in node.names]


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_are_those_that_type_checkers_see(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    typed = {name for _, name in imports(ast.unparse(block))}
    assert typed == set(module.__all__) - {"__version__"}
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


def test_importing_seemkit_costs_nothing() -> None:
    code = "import sys, seemkit, seemkit.data; print({'torch', 'numpy', 'pluggy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_values_of_kinds_are_names_of_seemkit() -> None:
    from seemkit_prompts.referred_region import RegionOf

    assert seemkit.RegionOf is RegionOf
    with pytest.raises(AttributeError, match="Lasso_of_nobody"):
        _ = seemkit.Lasso_of_nobody
    with pytest.raises(AttributeError, match="nothing"):
        _ = seemkit.nothing


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.name)
def test_prompt_kinds_import_the_plugin_interface_alone(path: Path) -> None:
    source = path.read_text().replace("${name}", "Name").replace("$name", "Name").replace("$api", str(API))
    modules = {module for module, _ in imports(source) if module.split(".")[0] == "seemkit"}
    assert modules <= {"seemkit.plugin"}


def test_the_plugin_interface_describes_all_its_names() -> None:
    assert plugin.__doc__ is not None
    missing = [name for name in plugin.__all__ if f"`{name}`" not in plugin.__doc__]
    assert missing == []
    assert f"SEEMKIT_API = {API}" in plugin.__doc__


@pytest.mark.parametrize("config", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.name)
def test_configurations_name_classes_by_short_paths(config: Path) -> None:
    def classes(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["class_path"]] if "class_path" in value else []
            return own + [name for item in value.values() for name in classes(item)]
        return [name for item in value for name in classes(item)] if isinstance(value, list) else []

    for path in classes(yaml.safe_load(config.read_text())):
        package, _, name = path.rpartition(".")
        if path.startswith("seemkit"):
            assert package in LAZY, path
            assert name in importlib.import_module(package).__all__, path
