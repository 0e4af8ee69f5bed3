"""Find out which process of a run is at fault when the others lose contact, by a roll call over their shared store."""

from __future__ import annotations

import os
import socket
import time

from torch import distributed
from torch._C._distributed_c10d import Store

from seemkit.cluster.lightning_adapter import meeting_store

LOST = ("Connection closed by peer", "Connection reset by peer", "Timed out", "timed out after", "Broken pipe")
"""Parts of the messages of gloo, NCCL and the store when a process has ended or hangs."""

PATIENCE = 5.0
"""Seconds that processes have to answer; processes that wait for the same operation fail at nearly the same time."""


def is_lost(error: BaseException) -> bool:
    """Return whether an error means that another process did not take part."""
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)


def introduce() -> None:
    """Tell the other processes where this process runs."""
    where = f"rank {distributed.get_rank()} (host {socket.gethostname()}, process {os.getpid()})"
    meeting_store().set(_key("where", distributed.get_rank()), where)


def call(error: BaseException, patience: float = PATIENCE) -> str | None:
    """Tell the other processes about an error, and return which process is at fault.

    A process is at fault if it failed by itself or does not answer.

    Args:
        error: the error that stopped this process.
        patience: seconds that the other processes have to report their errors.

    Returns:
        One line about the processes at fault, or None if the error is this process's own.
    """
    lost = is_lost(error)
    message = "" if lost else f"{type(error).__name__}: {error}".splitlines()[0][:300]
    try:
        store = meeting_store()
        store.set(_key("error", distributed.get_rank()), message)
        return _blame(store, str(error), patience) if lost else None
    except (RuntimeError, ValueError):  # the store ended with its process, or does not exist yet
        return "rank 0, which holds the store of all processes, has ended" if lost else None


def _blame(store: Store, error: str, patience: float) -> str:
    ranks = range(distributed.get_world_size())
    end = time.monotonic() + patience
    while not all(_told(store, rank) for rank in ranks) and time.monotonic() < end:
        time.sleep(0.1)
    silent = [rank for rank in ranks if not _told(store, rank)]
    failed = [(rank, message) for rank in ranks if rank not in silent and (message := _get(store, "error", rank))]
    if failed:
        return "; ".join(f"{_get(store, 'where', rank)} failed: {message}" for rank, message in failed)
    names = ", ".join(_get(store, "where", rank) for rank in silent)
    if silent and "imed out" in error:
        return f"{names} no longer answers; `py-spy dump --pid PROCESS` on its host shows where it hangs"
    if silent:
        return f"{names} has ended"
    return "all processes wait for each other; a step took longer than the strategy's timeout"


def _told(store: Store, rank: int) -> bool:
    return store.check([_key("error", rank)])


def _get(store: Store, what: str, rank: int) -> str:
    return store.get(_key(what, rank)).decode()


def _key(what: str, rank: int) -> str:
    return f"seemkit/{what}/{rank}"
