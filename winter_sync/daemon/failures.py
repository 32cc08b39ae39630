"""Why a task of the daemon ended, and whether that is a failure of the storage."""

from __future__ import annotations

import asyncio

from winter_sync.core import StorageError


def failure_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return the error with which a task ended; None if it finished or was cancelled."""
    return None if task.cancelled() else task.exception()


def raise_failure_of(*tasks: asyncio.Task[None]) -> None:
    """Raise the error of the first of these tasks that failed, if any did."""
    # All are asked before one is raised: asyncio logs an error that was never retrieved.
    for error in [failure_of(task) for task in tasks]:
        if error is not None:
            raise error


def is_being_cancelled() -> bool:
    """Return whether this task must end: no failure on the way is a reason to go on then."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def storage_error_of(error: Exception) -> StorageError | None:
    """Return the storage error that ended the work; None if something else did, or also did."""
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, StorageError) else None
    found = [storage_error_of(part) for part in error.exceptions]
    return found[0] if None not in found else None
