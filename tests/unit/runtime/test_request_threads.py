"""The threads of a service: bounded, waited for a bounded time, and given back when work ends."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from runtime import metrics
from runtime.adapters.http import serving
from runtime.adapters.http.serving import NoThreadError, Threads

PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a thread gives up at once."""
    monkeypatch.setattr(serving, "THREAD_WAIT_SECONDS_MAX", 0.05)


def busy() -> float:
    """The gauge, as a scrape sees it."""
    [metric] = metrics.HTTP_THREADS_BUSY.collect()
    return metric.samples[0].value


def test_work_that_nobody_waits_for_any_more_keeps_its_thread_until_it_ends() -> None:
    threads, may_end = Threads(1), threading.Event()

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await threads.run_within(0.05, lambda: may_end.wait(PATIENCE_SECONDS))
        with pytest.raises(NoThreadError, match="all 1 threads are busy"):
            await threads.run(str)
        assert busy() == 1.0
        may_end.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    assert await threads.run(lambda: "served") == "served"
                    break
                except NoThreadError:
                    continue
        assert busy() == 0.0

    asyncio.run(ask())


def test_a_failure_of_the_work_is_the_callers_and_its_thread_is_free_again() -> None:
    threads = Threads(1)

    def fail() -> None:
        raise LookupError("of the work")

    async def ask() -> None:
        for _ in range(3):
            with pytest.raises(LookupError, match="of the work"):
                await threads.run(fail)
            with pytest.raises(LookupError, match="of the work"):
                await threads.run_within(PATIENCE_SECONDS, fail)

    asyncio.run(ask())


def test_a_failure_that_nobody_waits_for_is_not_told_as_a_surprise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads, may_end = Threads(1), threading.Event()

    def fail() -> None:
        may_end.wait(PATIENCE_SECONDS)
        raise LookupError("of the work")

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await threads.run_within(0.05, fail)
        may_end.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while busy():
                await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert "never retrieved" not in caplog.text


def test_the_work_has_the_requests_context() -> None:
    threads, order = Threads(2), ContextVar("order", default="nobody's")

    async def request(order_id: str) -> str:
        order.set(order_id)
        return await threads.run(order.get)

    async def ask() -> list[str]:
        return await asyncio.gather(*(request(one) for one in ("ord_1", "ord_2", "ord_3")))

    assert asyncio.run(ask()) == ["ord_1", "ord_2", "ord_3"]


def test_no_more_work_runs_at_once_than_there_are_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "THREAD_WAIT_SECONDS_MAX", PATIENCE_SECONDS)
    threads, running, most = Threads(2), 0, 0
    counted = threading.Lock()
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal running, most
        with counted:
            running += 1
            most = max(most, running)
        both.wait(PATIENCE_SECONDS)
        with counted:
            running -= 1

    async def ask() -> None:
        await asyncio.gather(*(threads.run(work) for _ in range(8)))

    asyncio.run(ask())
    assert most == 2
