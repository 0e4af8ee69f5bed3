"""The thread that calls the network."""

from __future__ import annotations

import asyncio
import threading

import pytest

from seemkit.app.worker import AbandonedError, Worker


def test_calls_run_in_order_without_those_that_nobody_waits_for():
    made = []
    release = threading.Event()

    async def gone() -> bool:
        return True

    async def ask() -> list[object]:
        worker = Worker()
        first = asyncio.create_task(worker.run(lambda: release.wait(10) and made.append("first")))
        await asyncio.sleep(0)
        second = asyncio.create_task(worker.run(lambda: made.append("second"), gone))
        third = asyncio.create_task(worker.run(lambda: made.append("third")))
        await asyncio.sleep(0)
        release.set()
        answers = await asyncio.gather(first, second, third, return_exceptions=True)
        worker.close()
        return answers

    _, abandoned, _ = asyncio.run(ask())
    assert isinstance(abandoned, AbandonedError)
    assert made == ["first", "third"]


def test_a_call_that_fails_lets_the_next_one_run():
    async def ask() -> int:
        worker = Worker()
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        return await worker.run(lambda: 7)

    assert asyncio.run(ask()) == 7
