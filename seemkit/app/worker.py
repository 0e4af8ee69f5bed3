"""The one thread that calls the network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
IsGone = Callable[[], Awaitable[bool]]
"""Returns whether nobody waits for an answer any more."""


class AbandonedError(Exception):
    """Nobody waits for the answer any more."""


class Worker:
    """Runs calls one after another, in the order in which they come.

    A network uses all threads of the machine for one call, so calls at the same time would only slow each other.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="seemkit-network")
        self._turn = asyncio.Lock()  # wakes those that wait in order

    async def run(self, call: Callable[[], T], is_gone: IsGone | None = None) -> T:
        """Return the result of a call, without blocking the server meanwhile.

        Args:
            call: the call.
            is_gone: asked when it is the call's turn.

        Raises:
            AbandonedError: nobody waits for the result any more, so the call was not made.
        """
        async with self._turn:
            if is_gone is not None and await is_gone():
                raise AbandonedError
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Drop the calls that wait, and end the thread after the current one."""
        self._executor.shutdown(wait=False, cancel_futures=True)
