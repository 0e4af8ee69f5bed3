"""Datasets with one object per image, in a mask of the same name: GrabCut, Berkeley, DAVIS frames and COCO-mini.

Folder layouts and mask values are those of the copies that RITM publishes (Sofiiuk et al., arXiv 2102.06583).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor

from seemkit.data.interactive.layout import Layout, ObjectMap, Pair, check_headers, require_folders, things
from seemkit.errors import InputError
from seemkit.io.folder import visible
from seemkit.io.image import SUFFIXES, read_image

OBJECT = things("object")
"""The only class of datasets without class names."""
_UNJUDGED = 128


def _find(image_folder: str, mask_folder: str, root: Path) -> list[Pair]:
    """Return each image of one folder with the mask of the same stem in the other, sorted by file name."""
    require_folders(root, image_folder, mask_folder)
    images, masks = _by_stem(root / image_folder), _by_stem(root / mask_folder)
    if not images:
        raise InputError(f"{root / image_folder}: holds no image; check root")
    for stem, path in images.items():
        if stem not in masks:
            raise InputError(f"{path}: has no mask {stem} in {root / mask_folder}; add the mask or remove the image")
    for stem, path in masks.items():
        if stem not in images:
            raise InputError(f"{path}: has no image {stem} in {root / image_folder}; add the image or remove the mask")
        check_headers(path, images[stem])
    return [Pair(path, masks[stem]) for stem, path in images.items()]


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder by their stems, sorted by file name."""
    found: dict[str, Path] = {}
    for path in visible(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            if path.stem in found:
                raise InputError(f"{path}: has the same name as {found[path.stem].name}; keep one of the two")
            found[path.stem] = path
    return found


def _read_trimap(pair: Pair) -> ObjectMap:
    """Return the object of a GrabCut mask: values above 128; 128, the band along the outline, is ignored."""
    values = read_image(pair.annotation)[0]
    return _one_object(values > _UNJUDGED, pair, values == _UNJUDGED)


def _read_mask(pair: Pair) -> ObjectMap:
    """Return the object of a mask: all pixels that are not black."""
    return _one_object(read_image(pair.annotation).any(dim=0), pair)


def _one_object(mask: Tensor, pair: Pair, ignored: Tensor | None = None) -> ObjectMap:
    if not mask.any():
        raise InputError(f"{pair.annotation}: marks no object; replace it, or remove it and {pair.image.name}")
    return ObjectMap(mask.byte(), {1: 0}, ignored)


GRABCUT = Layout(OBJECT, partial(_find, "data_GT", "boundary_GT"), _read_trimap)
"""GrabCut (Rother et al., SIGGRAPH 2004): 50 images."""
BERKELEY = Layout(OBJECT, partial(_find, "images", "masks"), _read_mask)
"""Berkeley (McGuinness and O'Connor, Pattern Recognition 2010): 100 objects in 96 images."""
FRAMES = Layout(OBJECT, partial(_find, "img", "gt"), _read_mask)
"""345 frames of DAVIS (Perazzi et al., CVPR 2016), and COCO-mini: 800 objects of COCO (Lin et al., ECCV 2014)."""
