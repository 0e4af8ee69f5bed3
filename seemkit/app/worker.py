"""The one thread that calls the network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs calls one after another, in the order in which they come.

    A network uses all threads of the machine for one call, so calls at the same time would only slow each other.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="seemkit-network")
        self.waiting = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Return the result of a call, without blocking the server meanwhile."""
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Drop the calls that wait, and end the thread after the current one."""
        self._executor.shutdown(wait=False, cancel_futures=True)
