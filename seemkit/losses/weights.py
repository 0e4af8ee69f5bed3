"""The weights of all losses, as a configuration sets them."""

from __future__ import annotations

from dataclasses import dataclass, field

from seemkit.types import Request


@dataclass(frozen=True)
class GroupWeights:
    """Weights of one query group's losses, or of its matching costs.

    Attributes:
        choice: weight of the cross-entropy of the class or of the chosen query; as a cost, of minus its probability.
        bce: weight of the binary cross-entropy of the masks.
        dice: weight of the dice loss of the masks.
    """

    choice: float
    bce: float
    dice: float

    @property
    def off(self) -> bool:
        """Whether all weights are 0, so that the group takes no part."""
        return not (self.choice or self.bce or self.dice)


@dataclass(frozen=True)
class LossWeights:
    """The weights of all losses and the number of points they use; the defaults are the reference's.

    Attributes:
        objects: weights of the losses of object queries.
        phrases: weights of the losses of text queries; the reference's 0.4 times its factor 2 for phrases.
        class_phrases: factor of the choice loss of phrases that are class names (the reference's 0.5 instead of 2).
        all_or_none: skip the phrase losses on a process whose batch has an image without phrases, as the reference
            does.
        visual: weights of the losses of visual queries.
        refined: weights of the losses of refined masks, if the network has a mask refiner; `choice` has no effect.
        cost: weights of the costs that assign targets to queries.
        visual_cost: the same for visual queries. The reference's configuration says 5, 2, 2, but its code uses `cost`.
        padded_queries: let prompted objects also choose queries of objects that pad the batch, as the reference does.
        label: weight of the class loss of visual queries, so that a clicked mask has a label; 0 in the reference.
        points: points per mask in losses, and shared points per image in matching.
    """

    objects: GroupWeights = field(default_factory=lambda: GroupWeights(2.0, 5.0, 5.0))
    phrases: GroupWeights = field(default_factory=lambda: GroupWeights(0.8, 1.0, 1.0))
    class_phrases: float = 0.25
    all_or_none: bool = False
    visual: GroupWeights = field(default_factory=lambda: GroupWeights(0.4, 1.0, 1.0))
    refined: GroupWeights = field(default_factory=lambda: GroupWeights(0.0, 5.0, 5.0))
    cost: GroupWeights = field(default_factory=lambda: GroupWeights(2.0, 5.0, 5.0))
    visual_cost: GroupWeights = field(default_factory=lambda: GroupWeights(2.0, 5.0, 5.0))
    padded_queries: bool = False
    label: float = 0.0
    points: int = 12544

    @property
    def answers(self) -> tuple[Request, ...]:
        """The requests that training with these weights teaches a network to answer, apart from regions."""
        groups: dict[Request, GroupWeights] = {"visual": self.visual, "text": self.phrases, "automatic": self.objects}
        return tuple(request for request, weights in groups.items() if not weights.off)
