"""Nights of programs: what of each is here, when it last changed, and whether it is settled."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.found import state_of
from winter_sync.catalog.identities import PATH, PRODUCT
from winter_sync.catalog.night_records import (
    OF_NIGHT,
    KindOfNight,
    NightFile,
    NightOf,
    NightRecord,
    SettledNight,
    night_of_program,
    values_of,
)
from winter_sync.catalog.polls import Polls
from winter_sync.catalog.rows import night_count_of, night_of, path_of, product_of
from winter_sync.catalog.scopes import parameters
from winter_sync.core import NightHistory, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import PollState
    from winter_sync.core import Night, Subject


class Nights:
    """The nights of programs: counted, and read one by one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._polls = Polls(connection)

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
      coalesce(sum(CASE WHEN p.state = 'published' AND p.damage IS NULL THEN p.size END), 0)
        AS size,
      sum(p.state = 'published' AND p.damage IS NULL AND l.withdrawn_at IS NOT NULL)
        AS withdrawn_here,
      coalesce(sum(CASE WHEN p.state = 'published' AND p.damage IS NULL
        AND l.withdrawn_at IS NOT NULL THEN p.size END), 0) AS withdrawn_size
    FROM products p CROSS JOIN listings l ON l.product = p.id AND l.program IN ({programs})
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

    _RECORD = f"SELECT * FROM settled_nights WHERE {OF_NIGHT}"  # noqa: S608 - our own condition

    def record_of(self, which: NightOf, subjects: Iterable[Subject]) -> NightRecord:
        """Return what is known of a night; `subjects` are all that is mirrored of its program."""
        with self._connection.snapshot():
            kinds = tuple(self.kinds(which.night, [which.program]))
            states = self._polls.states(subjects, which.night)
            row = self._connection.row(self._RECORD, values_of(which)) or {}
            changes = self.changes(which)
        times = [kind.changed_at for kind in kinds]
        return NightRecord(
            which=which,
            kinds=kinds,
            history=NightHistory(
                night=which.night,
                numbers=Numbers.of(kind.count for kind in kinds),
                changed_at=max(filter(None, times), default=None) if all(times) else None,
                listed_at=listed_at(states),
                held=self._held(which),
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
    SELECT coalesce(sum(changes), 0) AS changes FROM night_changes WHERE {OF_NIGHT}
    """  # noqa: S608 - our own condition

    def changes(self, which: NightOf) -> int:
        """Return how many changes of a night there were so far."""
        (row,) = self._connection.rows(self._CHANGES, values_of(which))
        return int(row["changes"])

    _HELD = """
    SELECT count(*) AS held FROM products p CROSS JOIN held_withdrawals h
      ON h.program = :program AND h.product = p.id
    WHERE p.night = :night
    """

    def _held(self, which: NightOf) -> int:
        (row,) = self._connection.rows(self._HELD, values_of(which))
        return int(row["held"])

    _FILES = f"""
    SELECT {PRODUCT}, {PATH}, p.state, p.damage, p.size,
      p.sha256, p.revision, coalesce(v.published_at, p.published_at) AS published_at,
      l.target, l.withdrawn_at
    FROM products p CROSS JOIN listings l ON l.product = p.id AND l.program = :program
    LEFT JOIN revisions v ON v.product = p.id AND v.revision = p.revision
    WHERE p.night = :night AND (l.withdrawn_at IS NULL OR p.sha256 IS NOT NULL)
    ORDER BY path
    """  # noqa: S608 - our own texts

    def files(self, which: NightOf) -> list[NightFile]:
        """Return all products that a program lists of a night, and those withdrawn and kept."""
        return self._connection.read(_file_of, self._FILES, values_of(which))

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
            night_of_program,
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
