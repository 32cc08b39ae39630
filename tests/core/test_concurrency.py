"""Work in threads ends before its caller goes on, whatever happens to the caller."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.concurrency import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


class Work:
    """Something that a thread does until it is let go."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self._failure = failure

    def __call__(self) -> str:
        """Work until let go."""
        self.begun.set()
        assert self.go.wait(30)
        self.ended.set()
        if self._failure is not None:
            raise self._failure
        return "done"


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """Yield a single thread."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def turns(count: int = 20) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_result_comes_back(executor: ThreadPoolExecutor) -> None:
    """Arguments reach the work, and its result the caller, from another thread."""

    def work(a: int, *, b: int) -> tuple[int, int]:
        return a - b, threading.get_ident()

    result, thread = await run_in_thread(executor, work, 5, b=3)
    assert result == 2
    assert thread != threading.get_ident()


async def test_a_failure_comes_back(executor: ThreadPoolExecutor) -> None:
    """What the work raises, the caller gets."""
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(executor, lambda: 1 // 0)


async def test_the_loop_goes_on_meanwhile(executor: ThreadPoolExecutor) -> None:
    """Other coroutines run while a thread is at work."""
    work = Work()
    task = asyncio.create_task(run_in_thread(executor, work))
    await asyncio.to_thread(work.begun.wait, 30)
    await turns()
    assert not task.done()
    work.go.set()
    assert await task == "done"


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_caller_waits_for_the_work(
    executor: ThreadPoolExecutor, times: int
) -> None:
    """However often it is cancelled, its caller learns so only when the work has ended."""
    work = Work()
    task = asyncio.create_task(run_in_thread(executor, work))
    await asyncio.to_thread(work.begun.wait, 30)
    for _ in range(times):
        task.cancel()
        await turns()
        assert not task.done()
    assert not work.ended.is_set()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended.is_set()
    assert task.cancelled()


async def test_work_that_waits_for_a_thread_is_done_too(executor: ThreadPoolExecutor) -> None:
    """Cancelled before a thread took it up, the work is still done before the caller goes on."""
    first, second = Work(), Work()
    second.go.set()
    busy = asyncio.create_task(run_in_thread(executor, first))
    task = asyncio.create_task(run_in_thread(executor, second))
    await asyncio.to_thread(first.begun.wait, 30)
    task.cancel()
    await turns()
    assert not task.done()
    first.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert second.ended.is_set()
    assert await busy == "done"


async def test_a_failure_after_cancelling_is_reported_as_its_cause(
    executor: ThreadPoolExecutor,
) -> None:
    """Cancelling wins over a failure, which is neither lost nor reported as unheard."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    failure = OSError("no space")
    work = Work(failure)
    task = asyncio.create_task(run_in_thread(executor, work))
    await asyncio.to_thread(work.begun.wait, 30)
    task.cancel()
    await turns()
    work.go.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.__cause__ is failure
    assert complaints == []


async def test_a_time_limit_takes_effect_after_the_work(executor: ThreadPoolExecutor) -> None:
    """A time limit that has run out is reported as such, when the work has ended."""
    work = Work()

    async def limited() -> str:
        async with asyncio.timeout(0):
            return await run_in_thread(executor, work)

    task = asyncio.create_task(limited())
    await asyncio.to_thread(work.begun.wait, 30)
    await turns()
    assert not task.done()
    work.go.set()
    with pytest.raises(TimeoutError):
        await task
    assert work.ended.is_set()


async def test_a_closed_executor_is_an_error_at_once() -> None:
    """Work for threads that have ended is refused, not waited for."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError):
        await run_in_thread(executor, Work())
