"""Names of arrays, each with the computation behind it; here the predictions of all layers of one decode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from seemkit.model.outputs import Decoded
from seemkit.model.seem import SEEM
from seemkit.nn.heads import mask_logits
from seemkit.prompts.groups import EncodedGroup

Found = Iterator[tuple[str, Callable[[], Tensor]]]
"""Names of arrays, each with the computation that runs if the array is stored."""

QUERY_NAMES = {
    "object_query": {"masks": "pred_masks", "classes": "pred_captions", "embeddings": "pred_maskembs"},
    "visual_query": {"masks": "pred_smasks", "classes": "pred_stexts", "embeddings": "pred_smaskembs"},
    "text_query": {"masks": "pred_gmasks", "classes": "pred_gtexts"},
}


def layer_arrays(
    network: SEEM, classes: Tensor, scenario: str, decoded: Decoded, vectors: Mapping[str, Tensor]
) -> Found:
    """Yield the predictions of all layers.

    Args:
        network: for the class logits.
        classes: class vectors as `SEEM.embed_vocabulary` returns them.
        scenario: beginning of the names.
        decoded: with every layer.
        vectors: pooled vectors of the prompts by name, the same for each layer.
    """
    for index, layer in enumerate(decoded.layers):
        name = f"{scenario}/" if index == len(decoded.layers) - 1 else f"{scenario}/aux{index}/"
        for group, found in layer.items():
            names = QUERY_NAMES[group]
            features = decoded.context.mask_features
            yield name + names["masks"], lambda f=found, m=features: mask_logits(f.masks, m)
            yield name + names["classes"], lambda f=found: f.classes
            if "embeddings" in names:
                yield name + names["embeddings"], lambda f=found: f.masks
            if group == "object_query":
                yield name + "pred_logits", lambda f=found: network.class_logits(f, classes)
        for kind, vector in vectors.items():
            yield name + kind, lambda v=vector: v


def region_vectors(network: SEEM, group: EncodedGroup) -> dict[str, Tensor]:
    """The mean features under the positive and the negative region of each object, [B, P, C]."""
    assert group.regions is not None
    marked = group.regions.counts[..., 1:] > 0
    negative = group.regions.negative.where(marked, network.sampler.unmarked)
    return {"pred_pspatials": group.pooled, "pred_nspatials": negative}
