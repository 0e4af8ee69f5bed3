"""seemkit's own weight format: a folder with ``architecture.yaml`` and ``model.safetensors``.

A third file, ``classes.safetensors``, holds the vectors of the model's class names. Computing them takes half a minute
on a CPU for the 133 classes of COCO with 81 sentences each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import yaml
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seemkit.errors import InputError
from seemkit.io.atomic import replacing
from seemkit.nn.architecture import Architecture
from seemkit.nn.language import BACKGROUND
from seemkit.prompts.registry import DISABLE, installed
from seemkit.types import Vocabulary

ARCHITECTURE = "architecture.yaml"
WEIGHTS = "model.safetensors"
CLASSES = "classes.safetensors"
PACKAGES = "prompt_kinds"

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class ClassVectors:
    """Vectors of class names and of the background.

    Attributes:
        names: K class names.
        templates: sentences into which the names are put.
        vectors: [K + 1, C]; the background is the last one.
    """

    names: tuple[str, ...]
    templates: tuple[str, ...]
    vectors: Tensor

    def by_name(self) -> dict[str, Tensor]:
        """Return the vector of each name and of the background."""
        return dict(zip((*self.names, BACKGROUND), self.vectors, strict=True))


def write_model(
    tensors: Mapping[str, Tensor],
    architecture: Architecture,
    vocabulary: Vocabulary | None,
    classes: ClassVectors | None,
    folder: Path,
    *,
    half: bool = False,
) -> None:
    """Write a model folder, each file under a temporary name first.

    The folder also names the packages of the prompt kinds in use.

    Args:
        tensors: weights of the network by name.
        architecture: architecture of the network.
        vocabulary: class names of the network, or None.
        classes: vectors of the class names, or None.
        folder: output folder; created if it does not exist.
        half: whether to write floating-point weights with 16 bits. A network reads them into its own type.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"architecture": architecture.to_dict(), PACKAGES: packages(architecture)}
    if vocabulary is not None:
        content["vocabulary"] = {"names": list(vocabulary.names), "things": list(vocabulary.things)}
    with replacing(folder / ARCHITECTURE) as path:
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    with replacing(folder / WEIGHTS) as path:
        own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if half:
            own = {name: t.half() if t.is_floating_point() else t for name, t in own.items()}
        safetensors.torch.save_file(own, path)
        path.chmod((folder / ARCHITECTURE).stat().st_mode)  # safetensors makes its file readable by the owner only
    (folder / CLASSES).unlink(missing_ok=True)
    if classes is not None:
        with replacing(folder / CLASSES) as path:
            texts = json.dumps([classes.names, classes.templates])
            safetensors.torch.save_file({"vectors": classes.vectors.cpu().contiguous()}, path, {"texts": texts})
            path.chmod((folder / ARCHITECTURE).stat().st_mode)


def read_architecture(folder: Path) -> tuple[Architecture, Vocabulary | None]:
    """Return the architecture and vocabulary in a folder.

    Raises:
        InputError: the file is missing, is not YAML, has a wrong key, or needs a prompt kind that is not installed.
    """
    path = folder / ARCHITECTURE
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a model is a folder with {ARCHITECTURE} and {WEIGHTS}, such as "
            "runs/seem_tiny after `seemkit fit --config configs/seem_tiny.yaml`"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not isinstance(content.get("architecture"), dict):
        raise InputError(f"{path}: key 'architecture' is missing or not a mapping")
    require(content.get(PACKAGES), str(path))
    architecture = Architecture.from_dict(content["architecture"], str(path))
    if content.get("vocabulary") is None:
        return architecture, None
    try:
        names, things = content["vocabulary"]["names"], content["vocabulary"]["things"]
        return architecture, Vocabulary(tuple(names), tuple(things))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: key 'vocabulary' needs lists 'names' and 'things' of equal length") from error


def packages(architecture: Architecture) -> dict[str, str]:
    """Return the package of each prompt kind that the architecture names."""
    return {name: installed()[name].package for name in architecture.prompts}


def require(needed: object, source: str) -> None:
    """Raise InputError unless all prompt kinds are installed; the message names the package of a missing one.

    Args:
        needed: result of `packages` when the file was written; None if the file does not contain it.
        source: file, for the message.
    """
    for name, package in needed.items() if isinstance(needed, dict) else ():
        if name not in installed().kinds:
            hint = f"pip install {package}"
            if DISABLE in os.environ:
                hint += f", or remove it from {DISABLE}"
            raise InputError(f"{source}: needs prompt kind {name!r}: {hint}")


def read_classes(folder: Path) -> ClassVectors | None:
    """Return the class vectors in a folder, or None if it has none.

    Raises:
        InputError: the file is broken.
    """
    path = folder / CLASSES
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            names, templates = json.loads(file.metadata()["texts"])
            return ClassVectors(tuple(names), tuple(templates), file.get_tensor("vectors"))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a readable file of class vectors; remove it: {error}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights in a folder.

    Raises:
        InputError: the file is missing or broken.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: no such file; a model is a folder with {ARCHITECTURE} and {WEIGHTS}")
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: not a readable safetensors file: {error}") from error


def build_filled(build: Callable[[], Network], tensors: Mapping[str, Tensor], source: str) -> Network:
    """Return a network with weights, without drawing its initial weights, which would take seconds.

    Args:
        build: returns the network.
        tensors: weights of the network; every name and shape must fit.
        source: file or folder of the weights, for messages.

    Raises:
        InputError: a name or shape does not fit.
    """
    with _Undrawn():
        network = build()
    fill(network, tensors, source)
    return network


class _Undrawn(TorchFunctionMode):
    """Context in which new modules do not draw their initial weights.

    Torch's meta device would do the same, but its first initializer imports torch's compiler, which takes 1.6 seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        given = [*args, *(kwargs or {}).values()]
        drawn = getattr(func, "__module__", None) == "torch.nn.init" or func in _DRAWING
        if drawn and given and isinstance(given[0], nn.Parameter):
            return given[0]
        return func(*args, **(kwargs or {}))


_DRAWING = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], source: str, *, new_parts: bool = False) -> None:
    """Load weights into the network.

    Args:
        network: the network.
        tensors: weights of the network.
        source: file or folder of the weights, for messages.
        new_parts: whether parts that the weights know nothing of, such as a mask refiner, keep their initial weights.

    Raises:
        InputError: a name or shape does not fit; the network is unchanged.
    """
    own = network.state_dict()
    if new_parts:
        parts = {_part(name) for name in tensors}
        own = {name: tensor for name, tensor in own.items() if _part(name) in parts}
    check_fit(own, tensors, source)
    network.load_state_dict(dict(tensors), strict=not new_parts)


def _part(name: str) -> str:
    """Return the part of a network, or of its decoder, that a weight belongs to."""
    names = name.split(".")
    return ".".join(names[: 2 if names[0] == "decoder" else 1])


def check_fit(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Raise InputError unless all names and shapes are those of `own`; the message names the first wrong ones."""
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = sorted(name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape)
    for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise InputError(f"{source}: weights of another architecture; {what}: {', '.join(names[:3])}{more}")
