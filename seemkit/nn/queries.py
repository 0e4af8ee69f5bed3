"""The learned tokens with which the decoder starts: object queries, their copies, and memory."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from seemkit.nn.tokens import ABSENT, MEMORY, OBJECT_QUERY, SHARED, TEXT_QUERY, VISUAL_QUERY, Group, Tokens
from seemkit.ops.transfer import send


class LearnedQueries(nn.Module):
    """Object queries and memory slots.

    Args:
        embed_dim: C, channels of the tokens.
        queries: number of object queries.
        memory: number of memory slots.
        copies: queries copied for each visually prompted object; 0 copies all of them (v0, one object).
        seed: seed that decides which object queries are copied. The reference draws them anew in each call.
    """

    def __init__(self, embed_dim: int, queries: int, memory: int, copies: int, seed: int = 0) -> None:
        super().__init__()
        self.value = nn.Embedding(queries, embed_dim)
        self.position = nn.Embedding(queries, embed_dim)
        self.memory_value = nn.Embedding(memory, embed_dim)
        self.memory_position = nn.Embedding(memory, embed_dim)
        self.copies = copies or queries
        self.copy_all = not copies
        self.seed = seed

    def object_tokens(self, batch: int) -> Tokens:
        """Return all object queries."""
        return self._all(OBJECT_QUERY, batch)

    def text_tokens(self, batch: int) -> Tokens:
        """Return a copy of all object queries that reads the texts."""
        return self._all(TEXT_QUERY, batch)

    def visual_tokens(self, owners: Int[Tensor, "B P"], indices: Int[Tensor, " R"] | None = None) -> Tokens:
        """Return `copies` queries for each visually prompted object, object by object.

        Args:
            owners: indices of the objects; negative for padding.
            indices: object queries to copy, `copies` for each of the P objects; None means those of `draw`.
        """
        batch, objects = owners.shape
        if indices is None:
            indices = send(self.draw(objects), owners.device)
        owner = _apart(owners).repeat_interleave(self.copies, dim=1)
        return Tokens(
            VISUAL_QUERY,
            [self.value.weight[indices].expand(batch, -1, -1)],
            [self.position.weight[indices].expand(batch, -1, -1)],
            owner[None],
            torch.ones_like(owner, dtype=torch.bool),
        )

    def memory_tokens(self, owners: Int[Tensor, "B P"], slot: Int[Tensor, "L B M"]) -> Tokens:
        """Return the memory slots; `slot` assigns each one to an object.

        Args:
            owners: indices of the objects; negative for padding.
            slot: position in `owners` of each slot's object, per layer or once for all.
        """
        batch = owners.shape[0]
        owner = _apart(owners)[None].expand(len(slot), -1, -1).gather(2, slot)
        return Tokens(
            MEMORY,
            [self.memory_value.weight.expand(batch, -1, -1)],
            [self.memory_position.weight.expand(batch, -1, -1)],
            owner,
            torch.ones_like(owner[0], dtype=torch.bool),
        )

    def deal_memory(self, present: Bool[Tensor, "B P"]) -> Int[Tensor, "1 B M"]:
        """Return the object of each memory slot, dealt evenly and in the order of the objects.

        The reference deals at random.

        Args:
            present: True for objects, False for padding.
        """
        slots = torch.arange(self.memory_value.num_embeddings, device=present.device)
        count = present.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.div(slots[None] * count, len(slots), rounding_mode="floor")[None]

    def _all(self, group: Group, batch: int) -> Tokens:
        owner = torch.full((1, batch, self.value.num_embeddings), SHARED, device=self.value.weight.device)
        return Tokens(
            group,
            [self.value.weight.expand(batch, -1, -1)],
            [self.position.weight.expand(batch, -1, -1)],
            owner,
            (owner[0] != ABSENT),
        )

    def draw(self, objects: int, seed: int | None = None) -> Int[Tensor, " R"]:
        """Return the indices of the object queries that the visual queries of `objects` objects copy.

        Args:
            objects: number of objects.
            seed: seed of the draw; None means this module's seed.
        """
        if self.copy_all:
            return torch.arange(self.value.num_embeddings).repeat(objects)
        generator = torch.Generator().manual_seed(self.seed if seed is None else seed)
        return torch.randint(self.value.num_embeddings, (self.copies * objects,), generator=generator)


def _apart(owners: Int[Tensor, "B P"]) -> Int[Tensor, "B P"]:
    """Return the owners with a unique negative number for each absent object, so that no other object shares it."""
    return owners.where(owners >= 0, ABSENT - 1 - torch.arange(owners.shape[1], device=owners.device))
