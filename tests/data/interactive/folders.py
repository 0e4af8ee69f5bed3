"""Tiny folders in the layouts of the data sets on which clicks are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from tests.data.prepare.conversion.foreign import HEIGHT, WIDTH, block, write_image, write_voc

VOID, DOG, PERSON = 255, 12, 15


def object_values(inner: int = 255, rim: int = 0) -> np.ndarray:
    """A mask uint8 [H, W]: a rectangle of the value `inner` with a rim two pixels wide of the value `rim`."""
    values = np.where(block(10, 8, 40, 30), rim, 0)
    return np.where(block(12, 10, 38, 28), inner, values).astype(np.uint8)


def write_grabcut(root: Path, *images: str) -> Path:
    """A folder of GrabCut with these images, whose outlines are not judged."""
    for name in images:
        write_image(root / "data_GT" / name)
        write_mask(root / "boundary_GT" / f"{Path(name).stem}.bmp", object_values(rim=128))
    return root


def write_mask(path: Path, values: np.ndarray) -> None:
    """A mask in whatever mode the values have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Class and object map of a dog, two persons with void between them, and the objects' indices 1, 2 and 4."""
    objects = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for index, box in ((1, (2, 2, 20, 30)), (2, (22, 4, 38, 36)), (4, (41, 4, 58, 36)), (VOID, (38, 4, 41, 36))):
        objects[block(*box)] = index
    classes = np.array([0, DOG, PERSON, 0, PERSON, *[0] * 250, VOID], dtype=np.uint8)[objects]
    classes[2:4, 2:20] = PERSON  # a few pixels of the dog disagree
    return classes, objects


def write_voc_val(root: Path) -> Path:
    """A folder of VOC2012 with three images of validation, the second of which has no object, and one to train on."""
    classes, objects = maps()
    blank = np.full((HEIGHT, WIDTH), VOID)
    pngs = {"2007_3": (classes, objects), "2007_1": (blank, blank), "2007_2": (classes.T, objects.T)}
    pngs["2007_0"] = (classes, objects)
    return write_voc(
        root,
        {name: pair[0] for name, pair in pngs.items()},
        {name: pair[1] for name, pair in pngs.items()},
        train=["2007_0"],
        val=["2007_3", "2007_1", "2007_2"],
    )


def write_gtinst(path: Path, indices: np.ndarray, categories: list[int]) -> None:
    """A file of SBD as Matlab holds it: a struct with the cells of outlines, one sparse matrix an object."""
    outlines = np.empty((len(categories), 1), dtype=object)
    for place in range(len(categories)):
        outlines[place, 0] = csc_matrix((indices == place + 1).astype(float))
    column = np.array(categories, dtype=np.uint8)[:, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(
        path,
        {"GTinst": {"Segmentation": indices.astype(np.uint8), "Boundaries": outlines, "Categories": column}},
        do_compression=True,
    )


def write_sbd(root: Path, *names: str) -> Path:
    """A folder of SBD whose images have a dog, a covered cat (index 2) and a person."""
    for name in names:
        write_image(root / "img" / f"{name}.jpg")
        indices = np.zeros((HEIGHT, WIDTH))
        indices[block(2, 2, 20, 30)], indices[block(22, 4, 50, 36)] = 1, 3
        write_gtinst(root / "inst" / f"{name}.mat", indices, [DOG, 8, PERSON])
    (root / "val.txt").write_text("".join(f"{name}\n" for name in names))
    return root
