"""Tokens, their groups, and the decoder's visibility table, which says which tokens may read which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Self

import torch
from jaxtyping import Bool
from torch import Tensor

from seemkit.ops.transfer import send

SHARED = -1
"""Owner of a token that tokens of every object may read."""

ABSENT = -2
"""Owner of padding."""


class Role(Enum):
    """What a group of tokens does in the decoder."""

    QUERY = "query"
    """Looks at the image through its own latest mask, and predicts a mask and a class."""
    MEMORY = "memory"
    """Looks at the image through the mask of the previous round."""
    PROMPT = "prompt"
    """Does not look at the image; is read by others."""


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of token and its place in the visibility table; a token always reads its own group.

    Attributes:
        name: name by which other groups refer to this group.
        role: what the group does in the decoder.
        reads: names of the groups that this group reads, besides itself.
        read_by: names of groups that read this group; lets a plugin attach itself to existing queries.
        fresh: True if the values are set anew for each level, False if the layers update them. For prompts only.
        shared: True if the tokens belong to every object of the image, not only to the object they were given for.
    """

    name: str
    role: Role
    reads: frozenset[str] = frozenset()
    read_by: frozenset[str] = frozenset()
    fresh: bool = False
    shared: bool = False

    def __post_init__(self) -> None:
        if self.fresh and self.role is not Role.PROMPT:
            raise ValueError(f"group {self.name!r}: fresh, but its role is not PROMPT; use role PROMPT or fresh=False")

    def sees(self, other: Group) -> bool:
        """Return whether a token of this group may read a token of `other` if both have the same owner."""
        return self.name == other.name or other.name in self.reads or self.name in other.read_by


OBJECT_QUERY = Group("object_query", Role.QUERY)
TEXT_QUERY = Group("text_query", Role.QUERY, reads=frozenset({"text_prompt"}))
VISUAL_QUERY = Group("visual_query", Role.QUERY, reads=frozenset({"visual_prompt", "memory"}))
MEMORY = Group("memory", Role.MEMORY)
TEXT_PROMPT = Group("text_prompt", Role.PROMPT, reads=frozenset({"text_query"}), shared=True)
VISUAL_PROMPT = Group("visual_prompt", Role.PROMPT, fresh=True)


def queries_for(group: Group) -> Group | None:
    """Return the query group that answers prompts of `group`: the first that reads it, or None if none does."""
    return next((query for query in (TEXT_QUERY, VISUAL_QUERY) if query.sees(group)), None)


def separate(group: Group) -> Group:
    """Return the group's row in the reference's table: the row that the group declares."""
    return group


def joint(group: Group) -> Group:
    """Return the group's row in the table where visual queries also read the texts of their own object, no others."""
    if group.name == VISUAL_QUERY.name:
        return replace(group, reads=group.reads | {TEXT_PROMPT.name})
    return replace(group, shared=False) if group.name == TEXT_PROMPT.name else group


def composed(group: Group) -> Group:
    """Return the group's row in the table of the reference's demo, where object queries read every prompt.

    No other queries exist. Prompts that read a query (texts) read the object queries instead.
    """
    if group.role is not Role.PROMPT:
        return group
    reads = frozenset({OBJECT_QUERY.name}) if group.reads else group.reads
    return replace(group, reads=reads, read_by=frozenset({OBJECT_QUERY.name}))


TABLES: Final = {"separate": separate, "joint": joint, "composed": composed}
"""The function that returns a group's row, for each visibility table."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one group for B images.

    Attributes:
        group: group of the tokens.
        values: one tensor [B, N, C], or one per level for a fresh group.
        positions: positions that are added to values in queries and keys; as many as `values`.
        owner: int64 [L or 1, B, N], index of the object that a token belongs to, per decoder layer or once for all.
        valid: bool [B, N], False for padding.
    """

    group: Group
    values: list[Tensor]
    positions: list[Tensor]
    owner: Tensor
    valid: Tensor

    @property
    def count(self) -> int:
        """N, the number of tokens per image."""
        return self.values[0].shape[1]

    def under(self, group: Group) -> Self:
        """Return the same tokens with `group` as their row of a table; if it is shared, they belong to every object."""
        owner = self.owner.where(self.owner < 0, SHARED) if group.shared else self.owner
        return replace(self, group=group, owner=owner)


def visibility(tokens: Sequence[Tokens], layer: int) -> Bool[Tensor, "B N N"]:
    """Return which token (row) may read which token (column) at a layer.

    A token reads the groups that its group sees, within its own object. A shared token reads and is read across
    objects. No token reads padding. Every token reads itself, so no row is empty.
    """
    owner = torch.cat([t.owner[min(layer, len(t.owner) - 1)] for t in tokens], dim=1)
    valid = torch.cat([t.valid for t in tokens], dim=1)
    table = send(torch.tensor([[a.group.sees(b.group) for b in tokens] for a in tokens]), owner.device)
    group = torch.cat([torch.full((t.count,), index, device=owner.device) for index, t in enumerate(tokens)])
    table = table[group[:, None], group]
    shared = owner == SHARED
    same = (owner[:, :, None] == owner[:, None, :]) | shared[:, :, None] | shared[:, None, :]
    itself = torch.eye(owner.shape[1], dtype=torch.bool, device=owner.device)
    return (table & same & valid[:, None, :]) | itself
