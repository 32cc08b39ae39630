"""What is here and what is not, in a few words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from winter_sync.core import NOT_KEPT, show_instant, show_size

if TYPE_CHECKING:
    from winter_sync.catalog import QueueCount
    from winter_sync.core import Numbers


def headline(numbers: Numbers, *, may_say_all: bool) -> str:
    """Return in a few words how much of what is listed is here."""
    if not numbers.listed:
        return "nothing listed yet"
    size = show_size(numbers.size)
    if may_say_all:
        return f"all {numbers.listed} listed are here ({size})"
    return f"{numbers.here} of {numbers.listed} listed are here ({size})"


def remainder(numbers: Numbers, queue: QueueCount | None, now: datetime) -> list[str]:
    """Return what is not here and, where the queue has it, when it is requested again."""
    parts = []
    if numbers.damaged:
        parts.append(f"{numbers.damaged} deleted or changed here")
    if numbers.pending:
        failed = ""
        if queue is not None and queue.failed:
            failed = f" ({queue.failed} failed, next retried {when(queue.retried_at, now)})"
        parts.append(f"{numbers.pending} pending{failed}")
    if numbers.missing:
        asked = f", next asked {when(queue.asked_at, now)}" if queue is not None else ""
        parts.append(f"{numbers.missing} missing on the server{asked}")
    if numbers.not_kept:
        parts.append(f"{numbers.not_kept} {' and '.join(NOT_KEPT)} listed, not kept by the archive")
    return parts


def when(at: str | None, now: datetime) -> str:
    """Write when something is asked again: a time of the catalog, or "now" for one that passed."""
    instant = datetime.fromisoformat(at) if at else now
    return "now" if instant <= now else show_instant(instant, now)
