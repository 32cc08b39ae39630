"""Work that is always waited for to its end: in threads, and in tasks of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_thread(
    executor: Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run blocking work in a thread of an executor and return its result.

    As `wait_until_done` waits for it, what the thread uses can safely be closed when this returns
    or raises.
    """
    loop = asyncio.get_running_loop()
    return await wait_until_done(loop.run_in_executor(executor, lambda: work(*args, **kwargs)))


async def wait_until_done(future: asyncio.Future[T]) -> T:
    """Wait until work has ended, and return its result.

    A caller that is cancelled, even repeatedly, gets its `CancelledError` only then. If the work
    failed, that failure is the cause of the `CancelledError`.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from None if future.cancelled() else future.exception()
    try:
        return future.result()
    finally:
        # Its error knows this frame, and that what it knows: a circle, held until it is found.
        del future
