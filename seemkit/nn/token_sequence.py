"""The order of tokens in a decode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seemkit.nn.tokens import Role, Tokens, visibility

ORDER = (Role.QUERY, Role.MEMORY, Role.PROMPT)


class TokenSequence:
    """The tokens of all groups in order: queries, memory, prompts that the layers update, fresh prompts.

    The queries and the memory attend to the image. All tokens but the fresh prompts form the *state*, which the layers
    update. The values of fresh prompts are set anew for each level.

    Args:
        tokens: tokens of all groups in this decode, in any order.

    Attributes:
        queries: the query groups, in order.
        memory: the memory groups.
    """

    def __init__(self, tokens: Sequence[Tokens]) -> None:
        self._all = sorted(tokens, key=lambda t: (ORDER.index(t.group.role), t.group.fresh))
        self._carried = [t for t in self._all if not t.group.fresh]
        self._fresh = [t for t in self._all if t.group.fresh]
        self.queries = [t for t in self._carried if t.group.role is Role.QUERY]
        self.memory = [t for t in self._carried if t.group.role is Role.MEMORY]
        self._visible: Tensor | None = None

    def state(self) -> Float[Tensor, "B S C"]:
        """Return the initial values of the S tokens that the layers update."""
        return torch.cat([t.values[0] for t in self._carried], dim=1)

    def fresh(self, level: int) -> Float[Tensor, "B F C"]:
        """Return the values of the fresh prompts for a level, which come after the state."""
        values = [t.values[level] for t in self._fresh]
        return torch.cat(values, dim=1) if values else self._carried[0].values[0][:, :0]

    def positions(self, level: int) -> Float[Tensor, "B N C"]:
        """Return the positions of all tokens at a level."""
        return torch.cat([t.positions[level if t.group.fresh else 0] for t in self._all], dim=1)

    def visible(self, layer: int) -> Bool[Tensor, "B S N"]:
        """Return whether each token of the state (row) reads each token (column) at a layer."""
        owners_change = any(len(t.owner) > 1 for t in self._all)
        if self._visible is None or owners_change:
            self._visible = visibility(self._all, layer)[:, : sum(t.count for t in self._carried)]
        return self._visible
