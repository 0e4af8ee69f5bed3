"""The dataset of the original releases of RefCOCO, RefCOCO+ and RefCOCOg."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from seemkit.data.coco.annotations import ImageId
from seemkit.data.coco.base import CocoImages, check_folders
from seemkit.data.coco.instances import check_pixels, decode_masks
from seemkit.data.coco.instances_json import InstancesAnnotation, read_instances_json
from seemkit.data.coco.refs_file import Ref, read_refs
from seemkit.data.loading.transforms import Transform
from seemkit.errors import InputError
from seemkit.types import Phrase, Size, Target


class RefCoco(CocoImages[InstancesAnnotation]):
    """The images of one split with their referred objects and phrases.

    The folder of a release, for example ``refcoco+/``, contains ``instances.json`` in the COCO instance layout and
    ``refs(<split_by>).p``, or the same list as ``refs(<split_by>).json``: ``[{"image_id", "ann_id", "split",
    "sentences": [{"raw"}]}]``. Reading the pickle runs no code (see `load_plain_pickle`).

    Each image occurs once, in the order of ``instances.json``, with the masks of the objects that the split refers to.
    Each sentence gives one phrase with its "raw" text, tagged with the split. The images are from COCO's train2014; if
    one is missing, its file name in train2017, where the pixels are the same, is tried.
    """

    def __init__(
        self,
        root: str | Path,
        release: str = "refcoco",
        split_by: str = "unc",
        split: str = "train",
        images: str | Path | None = None,
        first_sentence: bool = False,
        transform: Transform | None = None,
        seed: int = 0,
    ) -> None:
        """Read and check the refs of one split.

        Args:
            root: folder of the releases.
            release: subfolder: "refcoco", "refcoco+" or "refcocog".
            split_by: authors of the splits: "unc" for RefCOCO and RefCOCO+, "umd" or "google" for RefCOCOg.
            split: "train", "val", "test", "testA" or "testB".
            images: folder of the images; None is ``<root>/images/mscoco/images/train2014``.
            first_sentence: whether to keep only the first sentence of each ref, as in the official evaluation.
            transform: function that changes image and target, or None.
            seed: seed of the transform's random choices.

        Raises:
            InputError: a file or folder is missing, a file is faulty, or the refs have no such split.
        """
        folder = Path(root) / release
        image_folder = Path(root) / "images/mscoco/images/train2014" if images is None else Path(images)
        check_folders(Path(root), folder, image_folder)
        refs_path = _refs_path(folder, split_by)
        refs = read_refs(refs_path)
        chosen = [ref for ref in refs if ref.split == split]
        if not chosen:
            known = ", ".join(sorted({ref.split for ref in refs}))
            raise InputError(f"{refs_path}: has no ref of split '{split}'; use one of: {known}")
        vocabulary, annotations = read_instances_json(folder / "instances.json")
        annotations, positions = _referred(annotations, chosen, refs_path)
        phrases: dict[ImageId, tuple[Phrase, ...]] = {}
        for ref in chosen:
            texts = ref.sentences[:1] if first_sentence else ref.sentences
            told = tuple(Phrase(text, positions[ref.annotation_id], (split,)) for text in texts)
            phrases[ref.image_id] = phrases.get(ref.image_id, ()) + told
        annotations = [
            replace(annotation, image_name=_present_name(image_folder, annotation.image_name))
            for annotation in annotations
        ]
        super().__init__(image_folder, folder / "instances.json", vocabulary, annotations, phrases, transform, seed)

    def _read_target(self, annotation: InstancesAnnotation, size: Size) -> Target:
        target = super()._read_target(annotation, size)
        check_pixels(target, annotation, self.json_path, "correct its 'segmentation'")
        return target

    def _read_masks(self, annotation: InstancesAnnotation, size: Size) -> Tensor:
        return decode_masks(annotation, size, self.json_path)


def _refs_path(folder: Path, split_by: str) -> Path:
    """Return the path of the refs file: the pickle, or else the JSON."""
    pickled, text = folder / f"refs({split_by}).p", folder / f"refs({split_by}).json"
    if not pickled.is_file() and not text.is_file():
        raise InputError(f"{pickled}: no such file, nor {text.name}; check release and split_by")
    return pickled if pickled.is_file() else text


def _referred(
    annotations: list[InstancesAnnotation], refs: list[Ref], refs_path: Path
) -> tuple[list[InstancesAnnotation], dict[int, int]]:
    """Return the annotations with only the referred objects, and the position of each annotation id."""
    meant: dict[ImageId, set[int]] = {}
    for ref in refs:
        meant.setdefault(ref.image_id, set()).add(ref.annotation_id)
    kept: list[InstancesAnnotation] = []
    positions: dict[int, int] = {}
    for annotation in annotations:
        ids = meant.pop(annotation.image_id, set())
        pairs = zip(annotation.segments, annotation.shapes, strict=True)
        objects = [(segment, shape) for segment, shape in pairs if segment.id in ids]
        if absent := ids - {segment.id for segment, _ in objects}:
            raise InputError(
                f"{refs_path}: ann_id {min(absent)} is not an annotation of image {annotation.image_id} in "
                "instances.json; correct it"
            )
        positions |= {segment.id: position for position, (segment, _) in enumerate(objects)}
        if objects:
            segments, shapes = zip(*objects, strict=True)
            kept.append(replace(annotation, segments=segments, shapes=shapes, areas=None))
    if meant:
        raise InputError(f"{refs_path}: image_id {min(meant)} is not in instances.json; add it there")
    return kept, positions


def _present_name(folder: Path, name: str) -> str:
    """Return the image's file name in train2014, or in train2017 if only that file exists."""
    later = name.rpartition("_")[2]
    return later if not (folder / name).is_file() and (folder / later).is_file() else name
