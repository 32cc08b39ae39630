"""The lines of the event log about polls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import (
    EventTable,
    Polled,
    PollFailed,
    ProductsLeftOut,
    ProgramRefused,
    RowsLeftOut,
    ToOQueueRead,
    TypeNotServed,
    WindowHalved,
    WithdrawalCleared,
    WithdrawalHeld,
)
from winter_sync.monitoring.log_line import NAMED, Line, coded, debug, error, info, warning

if TYPE_CHECKING:
    from winter_sync.core import Query, Subject

POLL_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of polls."""


def _about(query: Query) -> dict[str, object]:
    return _of(query.subject)


def _of(subject: Subject) -> dict[str, object]:
    return {
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
    }


def _polled(event: Polled) -> tuple[Line, ...]:
    counts = {
        name: count
        for name in ("new", "changed", "returned", "withdrawn")
        if (count := getattr(event, name))
    }
    level = info if counts else debug
    about = {**_about(event.query), "listed": event.listed, **counts}
    if event.withdrawn and event.lost_by.program != event.query.subject.program:
        about["withdrawn_from"] = event.lost_by.program
    return level("polled", **about)


POLL_LINES.add(Polled, _polled)
POLL_LINES.add(
    PollFailed,
    lambda event: warning(
        "poll failed", **_about(event.query), reason=event.reason, **coded(event.code)
    ),
)
POLL_LINES.add(
    ToOQueueRead,
    lambda event: (
        info("queue of requests not read", program=event.program, reason=event.error)
        if event.error
        else debug("queue of requests read", program=event.program, requests=event.requests)
    ),
)
POLL_LINES.add(
    TypeNotServed,
    lambda event: info("type not served", **_about(event.query), reason=event.reason),
)
POLL_LINES.add(
    WindowHalved,
    lambda event: info(
        "window halved",
        **_about(event.query),
        start=str(event.query.start),
        end=str(event.query.end or "today"),
        reason=event.reason,
    ),
)
POLL_LINES.add(
    WithdrawalHeld,
    lambda event: warning(
        "withdrawal held: too many products vanished at once",
        **_of(event.subject),
        products=event.products,
        expected=event.expected,
        remedy="nothing is taken for withdrawn unless the archive lists them no more for a day; "
        "`winter-sync sync --accept-withdrawals` believes it now",
    ),
)
POLL_LINES.add(
    WithdrawalCleared,
    lambda event: info(
        "held withdrawal cleared: products are listed again",
        **_about(event.query),
        products=event.products,
    ),
)
POLL_LINES.add(
    RowsLeftOut,
    lambda event: warning(
        "rows left out",
        **_about(event.query),
        rows=event.rows,
        reasons=list(dict.fromkeys(event.reasons))[:NAMED],
    ),
)
POLL_LINES.add(
    ProductsLeftOut,
    lambda event: warning(
        "products left out: their path is taken",
        products=len(event.products),
        savepaths=[product.savepath for product in event.products[:NAMED]],
    ),
)
POLL_LINES.add(
    ProgramRefused,
    lambda event: error(
        "program refused",
        program=event.program,
        reason=event.reason,
        wait_seconds=event.wait,
        **coded(event.code),
    ),
)
