"""Signals that ask a run to stop. They are only noted here; `Requeue` acts on them between two batches.

A handler that did more would do it in the middle of a step, where the processes of a run are at different places and
would wait for each other for ever. Nothing heavy is imported: the handler of SIGUSR1, which ends a Python process that
has none, is to be there before torch is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from enum import IntEnum
from types import FrameType


class StopRequest(IntEnum):
    """What a run is asked for; of several requests the greatest counts."""

    NONE = 0
    INTERRUPT = 1  # Ctrl-C
    TERMINATE = 2
    REQUEUE = 3

    @property
    def signal(self) -> signal.Signals:
        """The signal that asks for it."""
        return next(number for number, request in _REQUESTS.items() if request is self)


_REQUESTS = {signal.SIGINT: StopRequest.INTERRUPT, signal.SIGTERM: StopRequest.TERMINATE}
if hasattr(signal, "SIGUSR1"):  # Windows has none
    _REQUESTS[signal.SIGUSR1] = StopRequest.REQUEUE

_noted: set[StopRequest] = set()  # of this process, as signals are


def note(requests: Iterable[StopRequest]) -> None:
    """Lets the signals of some requests be noted from now on; what was noted before stays."""
    _handle(requests, _note)


def ignore() -> None:
    """Lets this process go on whatever it is asked for, as helpers do that their parent ends."""
    _handle(StopRequest, signal.SIG_IGN)


def forget() -> None:
    """Forgets what was noted, at the beginning of a run."""
    _noted.clear()


def noted() -> StopRequest:
    """The greatest request so far."""
    return max(_noted, default=StopRequest.NONE)


def _handle(
    requests: Iterable[StopRequest], handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # Python handles signals in the main thread alone
    for number, request in _REQUESTS.items():
        if request in requests:
            signal.signal(number, handler)


def _note(number: int, _: FrameType | None) -> None:
    request = _REQUESTS[signal.Signals(number)]
    if request is StopRequest.INTERRUPT and request in _noted:
        raise KeyboardInterrupt  # whoever presses Ctrl-C twice does not want to wait
    _noted.add(request)
