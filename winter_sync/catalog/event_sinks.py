"""How far each sink of events has got, and which events nobody needs any more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import timedelta

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.outbox import Outbox
    from winter_sync.core import EventFilter

COUNTED_AT_MOST = 10_000
"""Events beyond this many are not counted one by one: how many wait is a matter of time then."""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class SinkProgress:
    """How far a sink has got.

    Parameters
    ----------
    name
        Its name in the settings.
    cursor
        It has all events up to this number.
    ahead
        Numbers beyond the cursor that it has, too.
    last_success
        When it last took something; None for never.
    failures, failing_since, error
        How often in a row it failed, since when, and why the last time; 0 and None if it did not.
    lost
        How many events were removed before it had them.
    """

    name: str
    cursor: int
    ahead: frozenset[int] = frozenset()
    last_success: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None
    lost: int = 0


class EventSinks:
    """The sinks of one mirror: other programs to which its events are delivered."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._connection = connection
        self._outbox = outbox

    _ENTER = """
    INSERT INTO event_sinks (name, cursor, added_at, seen_at) VALUES (:name, :newest, :now, :now)
    ON CONFLICT (name) DO UPDATE SET seen_at = :now
    """

    def register(self, names: Iterable[str]) -> None:
        """Enter sinks: one that is new gets the events from now on, any other all it lacks."""
        with self._connection.writing():
            values = {"newest": self._outbox.newest(), "now": self._connection.now()}
            self._connection.execute_many(self._ENTER, [{"name": name, **values} for name in names])

    def progress(self, name: str) -> SinkProgress | None:
        """Return how far a sink has got; None if it was never entered."""
        found = self._connection.read(
            _progress_of, "SELECT * FROM event_sinks WHERE name = :name", {"name": name}
        )
        return found[0] if found else None

    _DELIVERED = """
    UPDATE event_sinks SET cursor = :cursor, ahead = :ahead, last_success = :now, failures = 0,
        failing_since = NULL, last_error = NULL
    WHERE name = :name AND cursor <= :cursor
    """
    _PASSED = """
    UPDATE event_sinks SET cursor = :cursor, ahead = :ahead
    WHERE name = :name AND cursor <= :cursor
    """

    def advance(self, name: str, cursor: int, ahead: Collection[int], *, delivered: bool) -> None:
        """Record what a sink has now; a cursor never goes back.

        `delivered` says that it took something; otherwise it did not want what was passed over.
        """
        values = {
            "name": name,
            "cursor": cursor,
            "ahead": json.dumps(sorted(ahead)),
            "now": self._connection.now(),
        }
        with self._connection.writing():
            self._connection.execute(self._DELIVERED if delivered else self._PASSED, values)

    _FAILED = """
    UPDATE event_sinks SET failures = failures + 1, last_error = :error,
        failing_since = coalesce(failing_since, :now)
    WHERE name = :name
    """

    def record_failure(self, name: str, error: str) -> None:
        """Record that a sink did not take an event; it keeps what it has."""
        values = {"name": name, "error": error, "now": self._connection.now()}
        with self._connection.writing():
            self._connection.execute(self._FAILED, values)

    def count_waiting(self, progress: SinkProgress, wanted: EventFilter) -> int:
        """Count the events that a sink wants and lacks, at most `COUNTED_AT_MOST`."""
        count, at = 0, progress.cursor
        while count < COUNTED_AT_MOST and (events := self._outbox.since(at, _PAGE)):
            at = events[-1].number
            count += sum(
                event.number not in progress.ahead and wanted.accepts(event) for event in events
            )
        return min(count, COUNTED_AT_MOST)

    # --- retention -------------------------------------------------------------------------------

    _OLDEST = "SELECT id, at FROM events ORDER BY id LIMIT :limit"

    def prune(self, keep: timedelta, most: int) -> tuple[bool, dict[str, int]]:
        """Remove some of the events that need not be kept; their numbers are never used again.

        An event goes when it is older than `keep` and every sink has it, or, whether or not they
        have it, when `most` events are newer. A sink that was in no settings for as long is
        forgotten.

        Returns
        -------
        tuple[bool, dict[str, int]]
            Whether there may be more to remove, and how many events each sink lost.
        """
        with self._connection.writing():
            old = self._connection.at(-keep)
            self._connection.execute("DELETE FROM event_sinks WHERE seen_at < :old", {"old": old})
            sinks = self._connection.read(_progress_of, "SELECT * FROM event_sinks")
            newest = self._outbox.newest()
            everybody_has = min((sink.cursor for sink in sinks), default=newest)
            removed: list[int] = []
            for row in self._connection.rows(self._OLDEST, {"limit": _PAGE}):
                is_old = row["id"] <= everybody_has and row["at"] < old
                if not is_old and row["id"] > newest - most:
                    break
                removed.append(row["id"])
            if removed:
                self._remove(removed[-1])
        lost = {sink.name: _count_lost(sink, removed) for sink in sinks}
        return len(removed) == _PAGE, {name: count for name, count in lost.items() if count}

    _SKIP = """
    UPDATE event_sinks SET cursor = :last, lost = lost + (
        SELECT count(*) FROM events WHERE id > cursor AND id <= :last
            AND id NOT IN (SELECT value FROM json_each(ahead))
    ) WHERE cursor < :last
    """

    def _remove(self, last: int) -> None:
        """Remove all events up to a number; whoever lacks some has lost them."""
        self._connection.execute(self._SKIP, {"last": last})
        self._connection.execute("DELETE FROM events WHERE id <= :last", {"last": last})


def _count_lost(sink: SinkProgress, removed: Iterable[int]) -> int:
    return sum(number > sink.cursor and number not in sink.ahead for number in removed)


def _progress_of(row: dict[str, Any]) -> SinkProgress:
    return SinkProgress(
        name=row["name"],
        cursor=int(row["cursor"]),
        ahead=frozenset(int(number) for number in json.loads(row["ahead"])),
        last_success=_instant(row["last_success"]),
        failures=int(row["failures"]),
        failing_since=_instant(row["failing_since"]),
        error=row["last_error"],
        lost=int(row["lost"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
