"""How nights of programs settle: what changed is noticed, and what a manifest shows recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.night_records import OF_NIGHT, night_of_program, values_of
from winter_sync.catalog.nights import Nights
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.rows import night_of
from winter_sync.catalog.values import format_instant, group_values
from winter_sync.core import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.night_records import NightOf, NightRecord
    from winter_sync.core import EventValue, Product

_LAST_DATE = "9999-12-31"


class Settling:
    """The changes of nights, and the manifests of those that are settled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._nights = Nights(connection)
        self._outbox = Outbox(connection)

    # --- what changed ----------------------------------------------------------------------------

    _ANY_NEW = "SELECT 1 AS found FROM night_changes WHERE noticed < changes LIMIT 1"
    _UNSETTLE = """
    UPDATE settled_nights SET settled_at = NULL WHERE settled_at IS NOT NULL
      AND (program, night) IN (SELECT program, night FROM night_changes WHERE noticed < changes)
    """
    _NOTICE = """
    UPDATE night_changes SET noticed = changes, changed_at = :now WHERE noticed < changes
    """

    def notice_changes(self) -> None:
        """Record now as the time of all changes since this was called before.

        No night in which anything changed is settled any more.
        """
        if self._connection.row(self._ANY_NEW) is None:
            return
        with self._connection.writing():
            self._connection.execute(self._UNSETTLE, {})
            self._connection.execute(self._NOTICE, {"now": self._connection.now()})

    _POSTPONE = """
    UPDATE night_changes SET changed_at = :now
    WHERE program = :program AND night = :night AND instrument = :instrument
      AND image_type = :image_type AND changed_at < :now AND NOT EXISTS
        (SELECT 1 FROM settled_nights s WHERE s.program = night_changes.program
          AND s.night = night_changes.night AND s.settled_at IS NOT NULL)
    """

    def postpone(self, program: str, products: Iterable[Product]) -> None:
        """Have the nights of products that are in doubt settle no sooner than if they changed now.

        A night that is settled stays so: nobody knows that anything of it changed.
        """
        kinds = {tuple(group_values(product).items()) for product in products}
        values = {"program": program, "now": self._connection.now()}
        if not kinds:
            return
        with self._connection.writing():
            self._connection.execute_many(
                self._POSTPONE, [{**values, **dict(kind)} for kind in sorted(kinds)]
            )

    _CHANGED = """
    SELECT program, night FROM settled_nights s WHERE settled_at IS NULL AND (
      first_settled_at IS NULL OR changes IS NOT (SELECT sum(c.changes) FROM night_changes c
        WHERE c.program = s.program AND c.night = s.night))
    ORDER BY night DESC, program
    """

    def changed(self) -> list[NightOf]:
        """Return the nights whose manifests do not show how they are now, or may not."""
        return self._connection.read(night_of_program, self._CHANGED)

    # --- what may be settled ---------------------------------------------------------------------

    _POLLED = """
    SELECT program, min(start) AS first, max(coalesce("end", :last_date)) AS last FROM polls
    WHERE id > (SELECT polls_seen FROM settling) AND id <= :newest AND error IS NULL
    GROUP BY program
    """
    _QUIET = """
    SELECT c.program, c.night FROM night_changes c
    LEFT JOIN settled_nights s ON s.program = c.program AND s.night = c.night
    WHERE c.program = :program AND c.night BETWEEN :first AND :last AND s.settled_at IS NULL
    GROUP BY c.program, c.night HAVING max(c.changed_at) <= :quiet ORDER BY c.night DESC
    """

    def due(self, settle_after: timedelta) -> tuple[int, list[NightOf]]:
        """Notice changes; return the newest poll's number, and nights that it or they concern.

        Those are nights whose manifests may be wrong, and others that may be settled now.
        """
        self.notice_changes()
        newest = self._newest_poll()
        return newest, list(dict.fromkeys([*self.changed(), *self.quiet(newest, settle_after)]))

    def _newest_poll(self) -> int:
        row = self._connection.row("SELECT max(id) AS id FROM polls")
        return (row["id"] or 0) if row else 0

    def quiet(self, newest: int, settle_after: timedelta) -> list[NightOf]:
        """Return nights that polls up to this one listed, in which nothing changed for that long.

        Polls that were considered before (`consider_polls`) do not count again: nothing but an
        answer settles a night.
        """
        polled = self._connection.rows(self._POLLED, {"newest": newest, "last_date": _LAST_DATE})
        found: list[NightOf] = []
        for row in polled:
            span = {
                "program": row["program"],
                # A product of a night has the date of that night or of the day after.
                "first": _night_before(row["first"]),
                "last": row["last"].replace("-", ""),
                "quiet": self._connection.at(-settle_after),
            }
            found += self._connection.read(night_of_program, self._QUIET, span)
        return found

    def consider_polls(self, newest: int) -> None:
        """Record that all nights were considered that polls up to this one listed."""
        row = self._connection.row("SELECT polls_seen FROM settling")
        if row is None or row["polls_seen"] < newest:
            with self._connection.writing():
                self._connection.execute(
                    "UPDATE settling SET polls_seen = max(polls_seen, :newest)", {"newest": newest}
                )

    # --- manifests -------------------------------------------------------------------------------

    _EXPECT = """
    INSERT INTO settled_nights (program, night) VALUES (:program, :night) ON CONFLICT DO NOTHING
    """

    def expect_manifest(self, which: NightOf) -> None:
        """Record that a first manifest of a night is about to be written.

        Whatever a crash leaves of it is found by this record.
        """
        with self._connection.writing():
            self._connection.execute(self._EXPECT, values_of(which))

    _FORGET = f"""
    DELETE FROM settled_nights WHERE {OF_NIGHT} AND first_settled_at IS NULL
    """  # noqa: S608 - our own condition

    def forget_manifest(self, which: NightOf) -> None:
        """Record that there is no manifest of a night that was never settled."""
        with self._connection.writing():
            self._connection.execute(self._FORGET, values_of(which))

    _SETTLE = f"""
    UPDATE settled_nights SET settled_at = :settled_at, changes = :changes,
      first_settled_at = coalesce(first_settled_at, :now)
    WHERE {OF_NIGHT}
    """  # noqa: S608 - our own condition
    _REMEMBER = f"""
    UPDATE settled_nights SET content = :content, recorded_as_settled = :settled
    WHERE {OF_NIGHT}
    """  # noqa: S608 - our own condition

    def record_manifest(
        self,
        record: NightRecord,
        *,
        settled_at: datetime | None,
        content: str,
        event: Mapping[str, EventValue] | None,
    ) -> bool:
        """Record, in one transaction, what the manifest of a night shows, and the event of it.

        Parameters
        ----------
        record
            The night as it was when the manifest was written.
        settled_at
            Since when it is settled; None while it is not.
        content
            The digest of what the event is about.
        event
            The fields of the event; None if there is nothing to report.

        Returns
        -------
        bool
            False, and nothing is recorded, if the night has changed since.
        """
        kind = EventKind.NIGHT_CHANGED if record.was_settled else EventKind.NIGHT_SETTLED
        values = {
            **values_of(record.which),
            "settled_at": format_instant(settled_at) if settled_at else None,
            "settled": int(settled_at is not None),
            "changes": record.changes,
            "content": content,
            "now": self._connection.now(),
        }
        with self._connection.writing():
            if self._nights.changes(record.which) != record.changes:
                return False
            self._connection.execute(self._SETTLE, values)
            if event is not None:
                self._connection.execute(self._REMEMBER, values)
                which = record.which
                fields = {"program": which.program, "night": which.night.name, **event}
                self._outbox.append(kind, **fields)
        return True


def _night_before(day: str) -> str:
    return night_of(day.replace("-", "")).plus(-1).name
