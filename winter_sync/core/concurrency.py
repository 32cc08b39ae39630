"""Work that is never abandoned half-way: in threads, and in tasks of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

P = ParamSpec("P")
T = TypeVar("T")


async def off_loop(
    executor: Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run blocking work in a thread and give its result.

    As `to_the_end` waits for it, what the thread uses can be closed when this returns or raises,
    without pulling it away from under its hands.
    """
    loop = asyncio.get_running_loop()
    return await to_the_end(loop.run_in_executor(executor, lambda: work(*args, **kwargs)))


async def to_the_end(future: asyncio.Future[T]) -> T:
    """Wait until something has ended, and give its result.

    A caller that is cancelled, even again and again, is told so only then. If the work failed,
    that is the cause of the cancellation it is told.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as told:
            cancelled = told
    if cancelled is not None:
        raise cancelled from None if future.cancelled() else future.exception()
    return future.result()
