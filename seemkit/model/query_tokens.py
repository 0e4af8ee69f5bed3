"""The tokens of one decode: the queries and memory slots that the request needs, and those of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from seemkit.errors import InputError
from seemkit.model.outputs import Draws
from seemkit.model.query_selection import family
from seemkit.nn.decoder import PreviousMasks
from seemkit.nn.queries import LearnedQueries
from seemkit.nn.tokens import TABLES, TEXT_QUERY, VISUAL_QUERY, Tokens
from seemkit.prompts.groups import EncodedGroup


class DecoderInput(NamedTuple):
    """The tokens of all groups, those that attend to the image first, and the masks that memory tokens read."""

    tokens: list[Tokens]
    memory: PreviousMasks | None


def assemble(
    queries: LearnedQueries,
    table: str,
    encoded: Mapping[str, EncodedGroup],
    batch: int,
    *,
    objects: bool,
    previous: Tensor | None,
    draws: Draws,
) -> DecoderInput:
    """Return the tokens of a decode.

    Args:
        queries: object queries and memory slots.
        table: name of the visibility table. In ``composed`` the object queries read every prompt, and others do not
            exist.
        encoded: encoded prompts by group name.
        batch: number of images.
        objects: whether all objects are wanted.
        previous: mask logits of the previous round, or None.
        draws: values for the random choices.

    Raises:
        InputError: nothing is wanted.
    """
    composed, memory = table == "composed", None
    tokens = [queries.object_tokens(batch)] if objects or composed else []
    if not composed and family(encoded, TEXT_QUERY):
        tokens.append(queries.text_tokens(batch))
    visual = [] if composed else family(encoded, VISUAL_QUERY)
    if visual:
        owners = visual[0].owners
        tokens.append(queries.visual_tokens(owners, draws.queries))
        if previous is not None:
            memory = PreviousMasks(previous, _memory_slots(queries, owners, draws))
            tokens.append(queries.memory_tokens(owners, memory.slot))
    if not tokens:
        raise InputError("decode: nothing to decode; give prompts or objects=True")
    tokens += [group.tokens for group in encoded.values()]
    return DecoderInput([t.under(TABLES[table](t.group)) for t in tokens], memory)


def _memory_slots(queries: LearnedQueries, owners: Tensor, draws: Draws) -> Tensor:
    if draws.memory is None:
        return queries.deal_memory(owners >= 0)
    return draws.memory[:, None].expand(-1, len(owners), -1)
