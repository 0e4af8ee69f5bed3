"""Signals that ask a run to stop. They are only noted here; `Requeue` acts on them between two batches.

A handler that acted at once would do so in the middle of a step. The processes of a run would then be at different
points and wait for each other forever. This module imports nothing slow: without a handler SIGUSR1 ends a Python
process, so the handler must be installed before torch is imported.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from enum import IntEnum
from types import FrameType


class StopRequest(IntEnum):
    """A request to a run; of several requests the highest counts."""

    NONE = 0
    INTERRUPT = 1  # Ctrl-C
    TERMINATE = 2
    REQUEUE = 3

    @property
    def signal(self) -> signal.Signals:
        """The signal of this request."""
        return next(number for number, request in _REQUESTS.items() if request is self)


_REQUESTS = {signal.SIGINT: StopRequest.INTERRUPT, signal.SIGTERM: StopRequest.TERMINATE}
if hasattr(signal, "SIGUSR1"):  # not on Windows
    _REQUESTS[signal.SIGUSR1] = StopRequest.REQUEUE

_noted: set[StopRequest] = set()  # signals belong to a process, so a global is enough


def note(requests: Iterable[StopRequest]) -> None:
    """Note the signals of these requests from now on; earlier notes stay."""
    _handle(requests, _note)


def ignore() -> None:
    """Ignore all these signals in this process, for helper processes that their parent ends."""
    _handle(StopRequest, signal.SIG_IGN)


def forget() -> None:
    """Forget all notes, at the beginning of a run."""
    _noted.clear()


def noted() -> StopRequest:
    """Return the highest request so far."""
    return max(_noted, default=StopRequest.NONE)


def _handle(
    requests: Iterable[StopRequest], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # Python installs signal handlers only in the main thread
    for number, request in _REQUESTS.items():
        if request in requests:
            signal.signal(number, handler)


def _note(number: int, _: FrameType | None) -> None:
    request = _REQUESTS[signal.Signals(number)]
    if request is StopRequest.INTERRUPT and request in _noted:
        raise KeyboardInterrupt  # a user who presses Ctrl-C twice does not want to wait
    _noted.add(request)
