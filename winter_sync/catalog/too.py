"""The observatory's queue of requests, as it was seen last, and what is listed for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.scopes import parameters
from winter_sync.catalog.values import format_instant
from winter_sync.core import (
    ListedForToO,
    Night,
    ToOProgress,
    ToORequest,
    is_awaited,
    progress_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog.connection import Connection

_KEPT = timedelta(days=60)


class ToOQueue:
    """What was requested for programs; nothing here is ever sent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _RECORD = """
    INSERT OR REPLACE INTO too_requests
      (program, schedule, number, target, ra, dec, begins, ends, is_observed, seen_at)
    VALUES (:program, :schedule, :number, :target, :ra, :dec, :begins, :ends, :is_observed, :now)
    """
    _FORGET_OTHERS = """
    DELETE FROM too_requests WHERE program = :program
      AND seen_at < :now AND (is_observed = 0 OR seen_at < :before)
    """

    def record(self, program: str, requests: Sequence[ToORequest]) -> None:
        """Record the whole queue of a program.

        What is not in it any more is forgotten: at once where it was not observed, and after two
        months where it was, as finished schedules are archived.
        """
        now = self._connection.now()
        before = format_instant(datetime.fromisoformat(now) - _KEPT)
        with self._connection.writing():
            for request in requests:
                self._connection.execute(self._RECORD, {**_values_of(request), "now": now})
            values = {"program": program, "now": now, "before": before}
            self._connection.execute(self._FORGET_OTHERS, values)

    _LAST_SEEN = "SELECT max(seen_at) AS at FROM too_requests"

    def last_seen(self) -> datetime | None:
        """Return when the queue last had something of ours."""
        row = self._connection.row(self._LAST_SEEN, {})
        return datetime.fromisoformat(row["at"]) if row and row["at"] else None

    _REQUESTS = """
    SELECT * FROM too_requests WHERE program IN ({programs}) ORDER BY begins, program, schedule,
      number
    """

    def awaited(self, programs: Sequence[str], now: datetime) -> list[ToOProgress]:
        """Return the requests of programs that still wait, the earliest first."""
        names, values = parameters("program", programs)
        requests = self._connection.read(_request_of, self._REQUESTS.format(programs=names), values)
        progress = (progress_of(request, self._listed_for(request), now) for request in requests)
        return [each for each in progress if is_awaited(each, now)]

    _LISTED = """
    SELECT l.target, l.ra, l.dec, p.night,
      p.state = 'published' AND p.damage IS NULL AS is_here
    FROM products p CROSS JOIN listings l
      ON l.product = p.id AND l.program = :program
    WHERE p.night BETWEEN :first AND :last AND l.withdrawn_at IS NULL
    """

    def _listed_for(self, request: ToORequest) -> list[ListedForToO]:
        """Return what is listed for a request's program in the nights of its window."""
        if request.nights is None:
            return []
        first, last = request.nights
        values = {"program": request.program, "first": first.name, "last": last.name}
        return self._connection.read(_listed_of, self._LISTED, values)


def _values_of(request: ToORequest) -> dict[str, Any]:
    return {
        "program": request.program,
        "schedule": request.schedule,
        "number": request.number,
        "target": request.target,
        "ra": request.ra,
        "dec": request.dec,
        "begins": request.begins and format_instant(request.begins),
        "ends": request.ends and format_instant(request.ends),
        "is_observed": request.is_observed,
    }


def _request_of(row: dict[str, Any]) -> ToORequest:
    begins, ends = row["begins"], row["ends"]
    return ToORequest(
        program=row["program"],
        schedule=row["schedule"],
        number=row["number"],
        target=row["target"],
        ra=row["ra"],
        dec=row["dec"],
        begins=datetime.fromisoformat(begins) if begins else None,
        ends=datetime.fromisoformat(ends) if ends else None,
        is_observed=bool(row["is_observed"]),
    )


def _listed_of(row: dict[str, Any]) -> ListedForToO:
    return ListedForToO(
        target=row["target"],
        ra=row["ra"],
        dec=row["dec"],
        night=Night(row["night"]),
        is_here=bool(row["is_here"]),
    )
