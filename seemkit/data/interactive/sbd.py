"""The Semantic Boundaries Dataset (SBD): all objects of each image, from MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import loadmat

from seemkit.data.interactive.layout import Layout, ObjectMap, Pair, require_file, require_folders, things
from seemkit.data.interactive.mat_file import check_mat_file
from seemkit.data.interactive.voc_maps import NAMES
from seemkit.errors import InputError
from seemkit.io.image import check_equal_size, header_size
from seemkit.io.text_file import read_entries
from seemkit.types import Size

_STRUCT = "GTinst"


def _find(root: Path) -> list[Pair]:
    """Return the images of ``val.txt``, each with the file of its objects."""
    require_folders(root, "img", "inst")
    list_path = root / "val.txt"
    names = read_entries(list_path)
    if not names:
        raise InputError(f"{list_path}: lists no image; write one name per line")
    return [
        Pair(
            require_file(root / "img" / f"{name}.jpg", list_path),
            require_file(root / "inst" / f"{name}.mat", list_path),
        )
        for name in names
    ]


def _read(pair: Pair) -> ObjectMap:
    """Return the objects of the struct ``GTinst``: indices in ``Segmentation``, the class of each in ``Categories``.

    An index without pixels, for example of an object that another covers, is skipped.
    """
    path = pair.annotation
    indices, categories = _read_struct(path)
    check_equal_size(path, Size(*indices.shape), pair.image, header_size(pair.image))
    labels = {}
    for index in np.unique(indices[indices > 0]).tolist():
        if index > len(categories):
            raise InputError(f"{path}: {_STRUCT}.Segmentation has index {index}, Categories {len(categories)} entries")
        if not 1 <= categories[index - 1] <= len(NAMES):
            raise InputError(f"{path}: {_STRUCT}.Categories has {categories[index - 1]}; classes are 1 to {len(NAMES)}")
        labels[index] = int(categories[index - 1]) - 1
    return ObjectMap(torch.from_numpy(indices.astype(np.int32)), labels)


def _read_struct(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the integer arrays ``Segmentation`` [H, W] and ``Categories`` [N]."""
    try:
        check_mat_file(path)
        content = loadmat(path, variable_names=[_STRUCT], simplify_cells=True)
    except Exception as error:  # scipy documents no exceptions and raises many kinds on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as a .mat file ({reason}); replace the file") from error
    struct = content.get(_STRUCT)
    if not isinstance(struct, dict) or not {"Segmentation", "Categories"} <= struct.keys():
        raise InputError(f"{path}: has no struct {_STRUCT} with Segmentation and Categories; replace the file")
    indices, categories = np.asarray(struct["Segmentation"]), np.atleast_1d(np.asarray(struct["Categories"]))
    for name, values, dimensions in (("Segmentation", indices, 2), ("Categories", categories, 1)):
        if values.ndim != dimensions or values.dtype.kind not in "iu":
            raise InputError(f"{path}: {_STRUCT}.{name} is {values.dtype} {[*values.shape]}; replace the file")
    return indices, categories


SBD = Layout(things(*NAMES), _find, _read)
"""SBD (Hariharan et al., ICCV 2011), validation split: 6671 objects in 2857 images."""
