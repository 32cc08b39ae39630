"""Alerts of Avro files: recorded with each new content of a product, and found again."""

from __future__ import annotations

import json
from array import array
from dataclasses import asdict, dataclass, fields
from itertools import islice, repeat
from math import inf
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.errors import rows_explained
from winter_sync.catalog.identities import PATH, PRODUCT
from winter_sync.catalog.rows import alert_of, path_of, product_of
from winter_sync.catalog.scopes import EVERYTHING, Condition, listed_ever, parameters
from winter_sync.catalog.search_conditions import lists_target
from winter_sync.core import Alert, box_of_cap, jd_of_instant, separation, unit_vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.facts import Facts
    from winter_sync.catalog.records import Held
    from winter_sync.core import AlertFile, Cone, Night, Product

_COLUMNS = tuple(field.name for field in fields(Alert))
_NOTHING = Alert()
_CHUNK = 500
"""Alerts that are read at a time."""
_ROUNDING = 0.5 / 86_400_000
"""Days: times are known to the millisecond."""
_BOX = ("x1", "x2", "y1", "y2", "z1", "z2")


_FILE_OF_ALERT = """
    JOIN facts f ON f.id = a.facts
    JOIN products p ON p.id = f.id"""


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to find: those that meet all conditions that are given.

    Parameters
    ----------
    cone
        Within this circle.
    objectid
        Of this object.
    since, until
        Observed not before, and before.
    min_rb
        With a real-bogus score of at least this.
    programs
        From images that one of these programs lists or did.
    targets
        From images that were listed or observed under one of these names; case does not matter,
        and "*" stands for any text.
    nights, first_night, last_night
        Of these nights; the last one belongs to the span.
    limit
        Only so many, the newest.
    """

    cone: Cone | None = None
    objectid: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_rb: float | None = None
    programs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    nights: tuple[Night, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None
    limit: int | None = None

    @property
    def is_of_files(self) -> bool:
        """Whether it has a condition on the files that alerts are in."""
        return bool(self.programs or self.targets or self.nights) or not (
            self.first_night is None and self.last_night is None
        )


@dataclass(frozen=True, slots=True)
class FoundAlert:
    """An alert, and the file that it is in.

    `path` is relative to the root; `number` is the place of the record in the file, from 0.
    `separation` is the distance from the middle of the cone asked for, in degrees.
    """

    alert: Alert
    product: Product
    path: str
    number: int
    separation: float | None = None


@dataclass(frozen=True, slots=True)
class AlertFiles:
    """How many files of alerts there are.

    Parameters
    ----------
    here
        On this machine.
    unread
        Those of them that were not read yet.
    pending
        Listed, and not downloaded yet.
    """

    here: int
    unread: int
    pending: int


class Alerts:
    """Alerts, by object, time and position."""

    def __init__(self, connection: Connection, facts: Facts) -> None:
        self._connection = connection
        self._facts = facts

    def record(self, read: Iterable[tuple[Held, AlertFile]]) -> int:
        """Record alerts in place of those of an earlier content; return how many files mattered.

        With each file its facts, by which it counts as read. What was read of a content that was
        replaced meanwhile is dropped: the new one is due.
        """
        return sum(self._record(held, file) for held, file in read)

    def _record(self, held: Held, file: AlertFile) -> bool:
        with self._connection.writing():
            facts = self._facts.replace(held, file.facts)
            if facts is None:
                return False
            (row,) = self._connection.rows("SELECT coalesce(max(id), 0) + 1 AS id FROM alerts")
            records = list(_records(file.alerts, facts, int(row["id"])))
            self._connection.execute_many(self._INSERT, records)
            self._connection.execute_many(self._INDEX, _points(records))
        return True

    _INSERT = f"""
    INSERT INTO alerts (id, facts, number, {", ".join(_COLUMNS)})
    VALUES (:id, :facts, :number, {", ".join(f":{c}" for c in _COLUMNS)})
    """  # noqa: S608 - our own columns
    _INDEX = "INSERT INTO alert_index VALUES (:id, :x, :x, :y, :y, :z, :z)"

    def find(self, query: AlertQuery) -> Iterator[FoundAlert]:
        """Yield the alerts that a query means, the oldest first.

        Only their numbers are held in memory. An alert that two files have, as after a reprocessing
        that renamed a stack, counts once: from the file that is still listed, otherwise from the
        one that was read last.
        """
        numbers, separations = self._numbers(query)
        for at in range(0, len(numbers), _CHUNK):
            chunk = numbers[at : at + _CHUNK]
            rows = self._connection.rows(self._DETAILS, {"numbers": json.dumps(list(chunk))})
            distances = separations[at : at + _CHUNK] if query.cone is not None else repeat(None)
            with rows_explained(self._connection.path):
                yield from map(_found_of, rows, distances)

    def _numbers(self, query: AlertQuery) -> tuple[array[int], array[float]]:
        """Return the numbers of the alerts that a query means, and separations if it has a cone."""
        condition = _condition(query)
        sql = self._FIND.format(sources=_sources(query), condition=condition.sql)
        values = {**condition.values, "limit": _sql_limit(query)}
        numbers, separations = array("q"), array("d")
        found: Iterable[tuple[Any, ...]] = self._connection.tuples(sql, values)
        if query.cone is not None:
            found = _within(query.cone, found)
        for number, _, _, *distance in islice(found, query.limit):
            numbers.append(number)
            separations.extend(distance)
        numbers.reverse()
        separations.reverse()
        return numbers, separations

    _FIND = """
    SELECT a.id, a.ra, a.dec FROM {sources}
    WHERE {condition} AND NOT EXISTS (
        SELECT 1 FROM alerts b INDEXED BY alerts_of_object
        CROSS JOIN facts g ON g.id = b.facts
        CROSS JOIN products q ON q.id = g.id
        CROSS JOIN facts h ON h.id = a.facts
        CROSS JOIN products r ON r.id = h.id
        WHERE b.objectid = a.objectid AND b.candid = a.candid AND b.id != a.id
        AND (q.withdrawn_at IS NULL, b.id) > (r.withdrawn_at IS NULL, a.id)
    )
    ORDER BY a.jd DESC, a.id DESC LIMIT :limit
    """
    _DETAILS = f"""
    SELECT {", ".join(f"a.{c}" for c in _COLUMNS)}, a.number,
        {PRODUCT}, {PATH}
    FROM json_each(:numbers) n CROSS JOIN alerts a ON a.id = n.value {_FILE_OF_ALERT}
    ORDER BY n.key
    """  # noqa: S608 - our own texts

    _COUNT_FILES = """
    SELECT
        (SELECT count(*) FROM products INDEXED BY products_by_night
         WHERE image_type = 'avro' AND state = 'published' AND damage IS NULL) AS files,
        (SELECT count(*) FROM products INDEXED BY products_facts_due
         WHERE facts_due AND state = 'published'
         AND image_type = 'avro' AND damage IS NULL) AS unread,
        (SELECT count(*) FROM products INDEXED BY products_by_night
         WHERE image_type = 'avro' AND state = 'wanted' AND withdrawn_at IS NULL) AS pending
    """

    def count_files(self) -> AlertFiles:
        """Return how many files of alerts are here, how many were not read, or not downloaded."""
        (row,) = self._connection.rows(self._COUNT_FILES)
        return AlertFiles(int(row["files"]), int(row["unread"]), int(row["pending"]))


def _records(alerts: Iterable[Alert], facts: int, first: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of alerts; a record that says nothing has none."""
    known = ((number, alert) for number, alert in enumerate(alerts) if alert != _NOTHING)
    for identifier, (number, alert) in enumerate(known, first):
        yield {"id": identifier, "facts": facts, "number": number, **asdict(alert)}


def _points(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        if record["ra"] is not None:
            x, y, z = unit_vector((record["ra"], record["dec"]))
            yield {"id": record["id"], "x": x, "y": y, "z": z}


_ALERTS_OF_FILES = """products p
    CROSS JOIN facts f ON f.id = p.id
    CROSS JOIN alerts a INDEXED BY alerts_of_facts ON a.facts = f.id"""


def _sources(query: AlertQuery) -> str:
    """Return the tables of a query, read in the order in which the fewest rows are read.

    SQLite cannot know how much a cone or a time leaves over: CROSS JOIN and INDEXED BY tell it.
    Products are looked up only where they matter: that takes longer than all else.
    """
    file = _FILE_OF_ALERT if query.is_of_files else ""
    if query.objectid is not None:
        return f"alerts a INDEXED BY alerts_of_object {file}"
    if query.cone is not None:
        return f"alert_index i CROSS JOIN alerts a ON a.id = i.id {file}"
    if query.is_of_files:
        return _ALERTS_OF_FILES
    if query.since is not None or query.until is not None:
        return "alerts a INDEXED BY alerts_by_time"
    return "alerts a"


def _condition(query: AlertQuery) -> Condition:
    condition = EVERYTHING
    for part in _parts(query):
        condition &= part
    return condition


def _parts(query: AlertQuery) -> Iterator[Condition]:
    if query.objectid is not None:
        yield Condition("a.objectid = :objectid", {"objectid": query.objectid})
    elif query.cone is not None:
        box = box_of_cap((query.cone.ra, query.cone.dec), query.cone.radius)
        overlaps = " AND ".join(
            f"i.{axis}2 >= :{axis}1 AND i.{axis}1 <= :{axis}2" for axis in "xyz"
        )
        yield Condition(overlaps, dict(zip(_BOX, box, strict=True)))
    if query.since is not None:
        yield Condition("a.jd >= :since", {"since": jd_of_instant(query.since) - _ROUNDING})
    if query.until is not None:
        yield Condition("a.jd < :until", {"until": jd_of_instant(query.until) - _ROUNDING})
    if query.min_rb is not None:
        yield Condition("a.rb >= :min_rb", {"min_rb": query.min_rb})
    if query.is_of_files:
        yield from _parts_of_files(query)


def _parts_of_files(query: AlertQuery) -> Iterator[Condition]:
    yield Condition("p.image_type = 'avro'", {})
    if query.first_night is not None:
        yield Condition("p.night >= :first_night", {"first_night": query.first_night.name})
    if query.last_night is not None:
        yield Condition("p.night <= :last_night", {"last_night": query.last_night.name})
    if query.nights:
        names, values = parameters("night", tuple(night.name for night in query.nights))
        yield Condition(f"p.night IN ({names})", values)
    if query.programs:
        yield listed_ever(query.programs)
    if query.targets:
        yield _of_targets(query.targets)


def _of_targets(names: Iterable[str]) -> Condition:
    """Return the condition that a product was listed or observed under one of these names."""
    queries, values = list[str](), dict[str, object]()
    for number, name in enumerate(names):
        found = lists_target(name)
        queries.append(found.sql.replace(":name", f":target_{number}"))
        values[f"target_{number}"] = found.values["name"]
    return Condition(f"p.id IN ({' UNION '.join(queries)})", values)


def _sql_limit(query: AlertQuery) -> int:
    """Return how many rows to read: all where some are dropped afterwards."""
    return -1 if query.limit is None or query.cone is not None else query.limit


def _within(cone: Cone, found: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the alerts in a cone, each with its separation from the middle."""
    for number, ra, dec in found:
        distance = separation((cone.ra, cone.dec), (ra, dec)) if ra is not None else inf
        if distance <= cone.radius:
            yield number, ra, dec, distance


def _found_of(row: dict[str, Any], distance: float | None) -> FoundAlert:
    """Read an alert and where it is."""
    return FoundAlert(alert_of(row), product_of(row), path_of(row), row["number"], distance)
