"""Conversion of configurations of earlier versions, as saved in run folders, to current names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seemkit.nn.architecture import current_names as current_architecture

CLASSES: Final = {
    "seemkit.callbacks.PanopticWriter": "seemkit.callbacks.PredictionWriter",
    "seemkit.callbacks.Requeue": "seemkit.cluster.Requeue",
    "seemkit.data.datamodule.CocoDataModule": "seemkit.data.CocoDataModule",
    "seemkit.data.davis_module.DavisDataModule": "seemkit.data.DavisDataModule",
    "seemkit.data.interactive_module.InteractiveDataModule": "seemkit.data.InteractiveDataModule",
    "seemkit.data.referring_module.ReferringDataModule": "seemkit.data.ReferringDataModule",
    "seemkit.data.scenes_module.ScenesDataModule": "seemkit.data.ScenesDataModule",
    "seemkit.loggers.CSVLogger": "seemkit.cluster.CSVLogger",
}
"""Current path of each class that an earlier configuration can name."""

FIELDS: Final = {"criterion": "loss_weights", "optimisation": "optimization"}  # codespell:ignore
"""Current names of fields of ``model``."""

SOURCES: Final = {
    "RefCocoSource": ("release", "split_by", "images"),
    "CocoPanopticSource": ("grounding", "lvis", "lvis_choice", "exclude"),
    "CocoInstancesSource": ("skip_empty",),
    "CocoSource": (),
}
"""Classes of ``data.sources``, each with the fields that only it has. Earlier versions had one class for all."""
TELLING: Final = ("release", "grounding", "lvis", "exclude", "skip_empty")
"""Fields that determine the class if they are set."""


def current_names(config: object) -> object:
    """Return a configuration with current names; return anything else, such as a single value, unchanged."""
    if not isinstance(config, dict) or not config.keys() & {"trainer", "model", "data"}:
        return config
    renamed = _rename_classes(config)
    assert isinstance(renamed, dict)
    if isinstance(renamed.get("model"), dict):
        renamed["model"] = _model(renamed["model"])
    settings = renamed.get("data")
    if isinstance(settings, dict):
        settings = settings.get("init_args", settings)
        if isinstance(settings.get("sources"), list):
            settings["sources"] = [_source(source) for source in settings["sources"]]
    return renamed


def _rename_classes(value: object) -> object:
    """Return nested data with current class paths."""
    if isinstance(value, dict):
        return {
            key: CLASSES.get(item, item) if key == "class_path" else _rename_classes(item)
            for key, item in value.items()
        }
    return [_rename_classes(item) for item in value] if isinstance(value, list) else value


def _model(model: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {FIELDS.get(name, name): value for name, value in model.items()}
    if isinstance(renamed.get("architecture"), dict):
        renamed["architecture"] = current_architecture(renamed["architecture"])
    user = (renamed.get("sampling") or {}).get("user")
    if isinstance(user, dict) and "centre" in user:  # codespell:ignore
        user["center"] = user.pop("centre")  # codespell:ignore
    return renamed


def _source(source: object) -> object:
    """Return a source of an earlier version, with one class for all formats, as the class of its format."""
    if not isinstance(source, dict) or "class_path" in source:
        return source
    told = {field for field in TELLING if source.get(field)}
    name, own = next((name, own) for name, own in SOURCES.items() if told & {*own} or name == "CocoSource")
    fields = {field: source[field] for field in ("root", "split", "weight", *own) if field in source}
    return {"class_path": f"seemkit.data.{name}", "init_args": fields}
