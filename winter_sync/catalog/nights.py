"""Nights of programs: what of each is here, when it last changed, and whether it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.found import state_of
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.polls import Polls
from winter_sync.catalog.rows import night_count_of, night_of, path_of, product_of
from winter_sync.catalog.scopes import parameters
from winter_sync.catalog.values import format_instant
from winter_sync.core import EventKind, NightHistory, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import NightCount, PollState
    from winter_sync.catalog.search_records import UserState
    from winter_sync.core import EventValue, Night, Product, Subject

_OF_NIGHT = "program = :program AND night = :night"
_LAST_DATE = "9999-12-31"


@dataclass(frozen=True, slots=True)
class NightOf:
    """A night of one program."""

    program: str
    night: Night


@dataclass(frozen=True, slots=True)
class KindOfNight:
    """How many products of one kind a program lists of a night, by state."""

    program: str
    count: NightCount
    failing: int
    """Those of the wanted that failed before."""
    changed_at: datetime | None
    """When it was last noticed that any of them had changed; None if that is not known."""


@dataclass(frozen=True, slots=True)
class NightRecord:
    """What the catalog knows of a night of a program.

    Parameters
    ----------
    which
        The night.
    kinds
        How many products there are, by camera and type.
    history
        What settles it.
    changes
        How many changes there were.
    shown
        How many its manifest shows; None if it has none.
    content
        The digest of what the last event was about.
    settled_at
        Since when it is settled, by what was last recorded; None while it is not.
    was_settled
        Whether it has ever been.
    is_expected
        Whether a manifest of it was at least begun.
    recorded_as_settled
        Whether the last event found it settled.
    """

    which: NightOf
    kinds: tuple[KindOfNight, ...]
    history: NightHistory
    changes: int
    shown: int | None = None
    content: str | None = None
    settled_at: datetime | None = None
    was_settled: bool = False
    is_expected: bool = False
    recorded_as_settled: bool = False


@dataclass(frozen=True, slots=True)
class SettledNight:
    """A night that is settled, and since when that is recorded."""

    program: str
    night: Night
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class NightFile:
    """A product of a night as a manifest shows it.

    Parameters
    ----------
    product, path
        What it is; where its file is or will be, relative to the root.
    state
        Where it stands, in the words of the user, as the program lists it.
    is_here
        Whether its file is in the tree as it was downloaded; an older content counts, too.
    size, sha256, revision, published_at
        Of the content that was last downloaded.
    target
        As listed.
    """

    product: Product
    path: str
    state: UserState
    is_here: bool
    size: int | None
    sha256: str | None
    revision: int
    published_at: str | None
    target: str | None


class Nights:
    """The nights of programs: counted, and settled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._polls = Polls(connection)
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

    _CHANGED = """
    SELECT program, night FROM settled_nights s WHERE settled_at IS NULL AND (
      first_settled_at IS NULL OR changes IS NOT (SELECT sum(c.changes) FROM night_changes c
        WHERE c.program = s.program AND c.night = s.night))
    ORDER BY night DESC, program
    """

    def changed(self) -> list[NightOf]:
        """Return the nights whose manifests do not show how they are now, or may not."""
        return self._connection.read(_night_of_program, self._CHANGED)

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
            found += self._connection.read(_night_of_program, self._QUIET, span)
        return found

    def consider_polls(self, newest: int) -> None:
        """Record that all nights were considered that polls up to this one listed."""
        row = self._connection.row("SELECT polls_seen FROM settling")
        if row is None or row["polls_seen"] < newest:
            with self._connection.writing():
                self._connection.execute(
                    "UPDATE settling SET polls_seen = max(polls_seen, :newest)", {"newest": newest}
                )

    # --- one night -------------------------------------------------------------------------------

    _KINDS = """
    SELECT l.program, p.night, p.instrument, p.image_type,
      (SELECT c.changed_at FROM night_changes c WHERE c.program = l.program AND c.night = p.night
        AND c.instrument = p.instrument AND c.image_type = p.image_type) AS changed_at,
      sum(p.state = 'published' AND p.damage IS NULL) AS published,
      sum(p.state = 'published' AND p.damage IS NOT NULL AND l.withdrawn_at IS NULL) AS damaged,
      sum(p.state = 'wanted' AND l.withdrawn_at IS NULL) AS wanted,
      sum(p.state = 'wanted' AND p.attempts > 0 AND l.withdrawn_at IS NULL) AS failing,
      sum(p.state = 'missing' AND l.withdrawn_at IS NULL) AS missing,
      sum(l.withdrawn_at IS NOT NULL) AS withdrawn,
      coalesce(sum(CASE WHEN p.damage IS 'missing' THEN 0 ELSE p.size END), 0) AS size,
      sum(p.state = 'published' AND p.damage IS NULL AND l.withdrawn_at IS NOT NULL)
        AS withdrawn_here,
      coalesce(sum(CASE WHEN l.withdrawn_at IS NOT NULL AND p.damage IS NOT 'missing'
        THEN p.size END), 0) AS withdrawn_size
    FROM products p CROSS JOIN listings l ON l.program IN ({programs})
      AND l.instrument = p.instrument AND l.savepath = p.savepath
    WHERE p.night = :night
    GROUP BY l.program, p.instrument, p.image_type ORDER BY l.program, p.instrument, p.image_type
    """

    def kinds(self, night: Night, programs: Sequence[str]) -> list[KindOfNight]:
        """Count the products of a night by program, camera and type, as each program lists them.

        A product of two programs counts in both.
        """
        names, values = parameters("program", programs)
        sql = self._KINDS.format(programs=names)
        return self._connection.read(_kind_of, sql, {"night": night.name, **values})

    _RECORD = f"SELECT * FROM settled_nights WHERE {_OF_NIGHT}"  # noqa: S608 - our own condition

    def record_of(self, which: NightOf, subjects: Iterable[Subject]) -> NightRecord:
        """Return what is known of a night; `subjects` are all that is mirrored of its program."""
        with self._connection.snapshot():
            kinds = tuple(self.kinds(which.night, [which.program]))
            states = self._polls.states(subjects, which.night)
            row = self._connection.row(self._RECORD, _values(which)) or {}
            changes = self._changes(which)
        times = [kind.changed_at for kind in kinds]
        return NightRecord(
            which=which,
            kinds=kinds,
            history=NightHistory(
                night=which.night,
                numbers=Numbers.of(kind.count for kind in kinds),
                changed_at=max(filter(None, times), default=None) if all(times) else None,
                listed_at=listed_at(states),
            ),
            changes=changes,
            shown=row.get("changes"),
            content=row.get("content"),
            settled_at=_instant(row.get("settled_at")),
            was_settled=row.get("first_settled_at") is not None,
            is_expected=bool(row),
            recorded_as_settled=bool(row.get("recorded_as_settled")),
        )

    _CHANGES = f"""
    SELECT coalesce(sum(changes), 0) AS changes FROM night_changes WHERE {_OF_NIGHT}
    """  # noqa: S608 - our own condition

    def _changes(self, which: NightOf) -> int:
        (row,) = self._connection.rows(self._CHANGES, _values(which))
        return int(row["changes"])

    _FILES = """
    SELECT p.instrument, p.savepath, p.image_type, p.night, p.path, p.state, p.damage, p.size,
      p.sha256, p.revision, coalesce(v.published_at, p.published_at) AS published_at,
      l.target, l.withdrawn_at
    FROM products p CROSS JOIN listings l ON l.program = :program
      AND l.instrument = p.instrument AND l.savepath = p.savepath
    LEFT JOIN revisions v ON v.instrument = p.instrument AND v.savepath = p.savepath
      AND v.revision = p.revision
    WHERE p.night = :night AND (l.withdrawn_at IS NULL OR p.sha256 IS NOT NULL)
    ORDER BY p.path
    """

    def files(self, which: NightOf) -> list[NightFile]:
        """Return all products that a program lists of a night, and those withdrawn and kept."""
        return self._connection.read(_file_of, self._FILES, _values(which))

    # --- settled ---------------------------------------------------------------------------------

    _EXPECT = """
    INSERT INTO settled_nights (program, night) VALUES (:program, :night) ON CONFLICT DO NOTHING
    """

    def expect_manifest(self, which: NightOf) -> None:
        """Record that a first manifest of a night is about to be written.

        Whatever a crash leaves of it is found by this record.
        """
        with self._connection.writing():
            self._connection.execute(self._EXPECT, _values(which))

    _FORGET = f"""
    DELETE FROM settled_nights WHERE {_OF_NIGHT} AND first_settled_at IS NULL
    """  # noqa: S608 - our own condition

    def forget_manifest(self, which: NightOf) -> None:
        """Record that there is no manifest of a night that was never settled."""
        with self._connection.writing():
            self._connection.execute(self._FORGET, _values(which))

    _SETTLE = f"""
    UPDATE settled_nights SET settled_at = :settled_at, changes = :changes,
      first_settled_at = coalesce(first_settled_at, :now)
    WHERE {_OF_NIGHT}
    """  # noqa: S608 - our own condition
    _REMEMBER = f"""
    UPDATE settled_nights SET content = :content, recorded_as_settled = :settled
    WHERE {_OF_NIGHT}
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
            **_values(record.which),
            "settled_at": format_instant(settled_at) if settled_at else None,
            "settled": int(settled_at is not None),
            "changes": record.changes,
            "content": content,
            "now": self._connection.now(),
        }
        with self._connection.writing():
            if self._changes(record.which) != record.changes:
                return False
            self._connection.execute(self._SETTLE, values)
            if event is not None:
                self._connection.execute(self._REMEMBER, values)
                which = record.which
                fields = {"program": which.program, "night": which.night.name, **event}
                self._outbox.append(kind, **fields)
        return True

    _SETTLED = """
    SELECT program, night, settled_at FROM settled_nights
    WHERE settled_at IS NOT NULL AND program IN ({programs}) ORDER BY night DESC, program
    """

    def settled(self, programs: Sequence[str]) -> list[SettledNight]:
        """Return the nights of these programs that are settled, the newest first.

        One in which something changed that was not noticed yet is not among them.
        """
        names, values = parameters("program", programs)
        changed = {
            (row["program"], row["night"])
            for row in self._connection.rows(
                "SELECT DISTINCT program, night FROM night_changes WHERE noticed < changes"
            )
        }
        found = self._connection.read(_settled_of, self._SETTLED.format(programs=names), values)
        return [night for night in found if (night.program, night.night.name) not in changed]

    def with_manifest(self) -> list[NightOf]:
        """Return the nights that were ever settled, so that each has a manifest."""
        return self._connection.read(
            _night_of_program,
            "SELECT program, night FROM settled_nights WHERE first_settled_at IS NOT NULL"
            " ORDER BY night DESC, program",
        )


def listed_at(states: Iterable[PollState]) -> datetime | None:
    """Return since when all of a night was listed by complete answers; None if not all was.

    A type of which a camera's pipeline has no table need not have answered: nobody knows what the
    archive answers there.
    """
    times: list[datetime] = []
    for state in states:
        kind = state.subject.image_type.for_camera(state.subject.instrument)
        if state.answered_at is None and not kind.is_in_pipeline:
            continue
        if state.night_answered_at is None or state.failing_since is not None:
            return None
        times.append(state.night_answered_at)
    return min(times, default=None)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _values(which: NightOf) -> dict[str, object]:
    return {"program": which.program, "night": which.night.name}


def _night_before(day: str) -> str:
    return night_of(day.replace("-", "")).plus(-1).name


def _night_of_program(row: dict[str, Any]) -> NightOf:
    return NightOf(row["program"], night_of(row["night"]))


def _settled_of(row: dict[str, Any]) -> SettledNight:
    at = datetime.fromisoformat(row["settled_at"])
    return SettledNight(row["program"], night_of(row["night"]), at)


def _kind_of(row: dict[str, Any]) -> KindOfNight:
    return KindOfNight(
        program=row["program"],
        count=night_count_of(row),
        failing=row["failing"],
        changed_at=_instant(row["changed_at"]),
    )


def _file_of(row: dict[str, Any]) -> NightFile:
    return NightFile(
        product=product_of(row),
        path=path_of(row),
        state=state_of(row),
        is_here=row["sha256"] is not None and row["damage"] is None,
        size=row["size"],
        sha256=row["sha256"],
        revision=row["revision"],
        published_at=row["published_at"],
        target=row["target"],
    )
