"""The outbox: events recorded in the transaction of what they tell, for other programs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.event_bound import EventBound
from winter_sync.catalog.identities import NUMBER, PATH, PRODUCT
from winter_sync.catalog.values import identity_values
from winter_sync.core import EventKind, OutboxEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import EventValue, Product, Subject

_COLUMNS = ("instrument", "image_type", "night", "savepath", "path")
"""The fields that come first; all others are in `details`."""

EVENT = f"""
e.id, e.at, e.kind, {PRODUCT}, {PATH}, e.details, e.revision,
  iif(v.product IS NULL, p.size, v.size) AS size,
  iif(v.product IS NULL, p.sha256, v.sha256) AS sha256,
  iif(v.product IS NULL, p.settled_pipeversion, v.pipeversion) AS pipeversion
FROM events e LEFT JOIN products p ON p.id = e.product
LEFT JOIN revisions v ON v.product = e.product AND v.revision = e.revision
"""
"""What is read of events, and from where."""

ABOUT = f"""
p.id, {PATH},
  (SELECT group_concat(program, char(10)) FROM listings WHERE product = p.id) AS programs,
  (SELECT target FROM listings WHERE product = p.id
   ORDER BY withdrawn_at IS NOT NULL, withdrawn_at DESC, program LIMIT 1) AS target
"""  # noqa: S608 - our own texts
"""What an event tells of a product."""

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""A catalog that begins numbers its events from the milliseconds since then."""


class Outbox:
    """The events of one mirror, in the order of their numbers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bound: EventBound | None = None

    @contextmanager
    def bounded(self, subject: Subject) -> Iterator[None]:
        """Bound, inside the open transaction, how many events of products each kind has.

        Of the products beyond that one event of each kind tells how many they are, and of which
        nights. Content that came is never bounded: what is recorded here follows from an answer
        about a subject.
        """
        self._bound = bound = EventBound()
        try:
            yield
        finally:
            self._bound = None
        for fields in bound.summaries():
            self.append(
                EventKind.MANY_CHANGED,
                program=subject.program,
                instrument=subject.instrument.value,
                image_type=subject.image_type.value,
                **fields,
            )

    _APPEND = """
    INSERT INTO events (at_ms, kind, product, revision, details)
    VALUES (:at, :kind, :product, :revision, :details)
    """

    def append(self, kind: EventKind, **fields: EventValue) -> None:
        """Record an event inside the open transaction: both are durable, or neither."""
        self._append(kind, None, fields)

    def _append(
        self,
        kind: EventKind,
        product: int | None,
        fields: Mapping[str, EventValue],
        revision: int | None = None,
    ) -> None:
        details = {name: value for name, value in fields.items() if value is not None}
        self._connection.execute(
            self._APPEND,
            {
                "at": self._connection.now_ms(),
                "kind": kind.value,
                "product": product,
                "revision": revision,
                "details": _ENCODE(details),
            },
        )

    _ABOUT = f"SELECT {ABOUT} FROM products p WHERE p.id = {NUMBER}"  # noqa: S608 - our own texts

    def append_product(
        self,
        kind: EventKind,
        product: Product,
        *,
        about: Mapping[str, Any] | None = None,
        revision: int | None = None,
        **fields: EventValue,
    ) -> None:
        """Record an event about a product, with the programs that list it, or did, and its target.

        `path` is where it is or would be, relative to the root; it need not be given. Nor need the
        size, digest and pipeline version of a `revision`, of which the event is. One beyond the
        bound is counted. `about` is what `ABOUT` reads of the product, where that is known already.
        """
        if self._bound is not None and not self._bound.admits(kind, product):
            return
        if about is None:
            about = self._connection.row(self._ABOUT, identity_values(product)) or {}
        if about and fields.get("path") == about["path"]:
            del fields["path"]
        programs: str | None = about.get("programs")
        told: dict[str, EventValue] = {
            "programs": sorted(programs.split("\n")) if programs else [],
            "target": about.get("target"),
        }
        self._append(kind, about.get("id"), {**told, **fields}, revision)

    _STATE = "SELECT state AS known FROM event_states WHERE subject = :subject"
    _SET_STATE = """
    INSERT INTO event_states (subject, state, since) VALUES (:subject, :state, :now)
    ON CONFLICT (subject) DO UPDATE SET state = :state, since = :now
    """

    def append_change(
        self, subject: str, state: str, usual: str, kind: EventKind, **fields: EventValue
    ) -> bool:
        """Record a state of something, and an event if that is a change; return whether it is.

        Parameters
        ----------
        subject, state
            What has the state, such as "server", and the state, such as "down".
        usual
            The state of whatever was never recorded.
        kind, fields
            The event.
        """
        if self._state(subject, usual) == state:
            return False
        with self._connection.writing():
            if self._state(subject, usual) == state:
                return False
            values = {"subject": subject, "state": state, "now": self._connection.now()}
            self._connection.execute(self._SET_STATE, values)
            self.append(kind, **fields)
            return True

    def _state(self, subject: str, usual: str) -> str:
        found = self._connection.row(self._STATE, {"subject": subject})
        return str(found["known"]) if found else usual

    _SINCE = f"SELECT {EVENT} WHERE e.id > :number ORDER BY e.id LIMIT :limit"

    def since(self, number: int, limit: int) -> list[OutboxEvent]:
        """Return the first events after a number, in their order, at most this many."""
        return self._connection.read(event_of, self._SINCE, {"number": number, "limit": limit})

    _BEFORE = f"SELECT {EVENT} WHERE e.id < :number ORDER BY e.id DESC LIMIT :limit"

    def before(self, number: int, limit: int) -> list[OutboxEvent]:
        """Return the last events before a number, the newest first, at most this many."""
        return self._connection.read(event_of, self._BEFORE, {"number": number, "limit": limit})

    def newest(self) -> int:
        """Return the number of the newest event, or the one before that of the first."""
        row = self._connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(row["seq"]) if row else 0

    _BEGIN = """
    INSERT INTO sqlite_sequence (name, seq) SELECT 'events', :first
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events')
    """

    def begin_numbers(self) -> None:
        """Begin numbers with the clock, inside the open transaction, if none was ever used.

        Numbers of a catalog that was here before are lower, unless it recorded a thousand events a
        second ever since it began, or the clock was wrong.
        """
        first = max((self._connection.clock() - _EPOCH) // timedelta(milliseconds=1), 0)
        self._connection.execute(self._BEGIN, {"first": first})


def event_of(row: dict[str, Any]) -> OutboxEvent:
    """Read an event."""
    columns = {name: row[name] for name in _COLUMNS}
    details = json.loads(row["details"])
    if not isinstance(details, dict) or not all(map(_is_value, details.values())):
        raise TypeError("the details of an event are no flat object")
    return OutboxEvent(
        row["id"], row["at"], row["kind"], {**columns, **_content_of(row), **details}
    )


def _content_of(row: dict[str, Any]) -> dict[str, Any]:
    """Read what an event tells of the content that it is about."""
    if row["revision"] is None:
        return {}
    content = {name: row[name] for name in ("size", "sha256", "revision")}
    return content | ({"pipeline": row["pipeversion"]} if row["pipeversion"] else {})


def _is_value(value: object) -> bool:
    """Return whether a field of an event may hold this: see `EventValue`."""
    if isinstance(value, list):
        return all(isinstance(text, str) for text in value)
    return not isinstance(value, dict)
