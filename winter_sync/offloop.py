"""Work done in threads, never abandoned half-way."""

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

    A cancelled caller is told so only after the work has ended: what the thread uses can then be
    closed without pulling it away from under its hands. If the work failed, that is the cause of
    the cancellation it is told.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(executor, lambda: work(*args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as told:
            cancelled = told
    if cancelled is not None:
        raise cancelled from future.exception()
    return future.result()
