"""What the mirror knows: the sole owner of the SQLite database.

A `Catalog` belongs to the thread that made it, as its connection does. `CatalogThread` gives it a
thread of its own and lets a coroutine call it. Every write is one short `BEGIN IMMEDIATE`
transaction, durable when it returns; two processes may share one catalog.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from sqlite_utils import Database

from winter_sync.errors import StorageError
from winter_sync.models import (
    Candidate,
    Cone,
    Evidence,
    Failed,
    ImageType,
    Instrument,
    Known,
    Marks,
    Missing,
    Night,
    Outcome,
    Product,
    Published,
    Query,
    Rectangle,
    Region,
    Row,
    State,
    Subject,
    Target,
    Unchanged,
)
from winter_sync.schema import migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

_BUSY_SECONDS = 30.0
_CHUNK = 400
"""Identities in one statement; two variables each, below SQLite's oldest limit of 999."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the catalog a run works on; an empty tuple means all."""

    programs: tuple[str, ...]
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None

    def where(self) -> tuple[str, list[str]]:
        """Give the SQL condition on `products` (named p) and its parameters."""
        clauses, values = ["1"], list[str]()
        for column, words in (
            ("image_type", self.image_types),
            ("instrument", self.instruments),
        ):
            if words:
                clauses.append(f"p.{column} IN ({_marks(len(words))})")
                values += [str(word) for word in words]
        for sign, night in ((">=", self.first_night), ("<=", self.last_night)):
            if night is not None:
                clauses.append(f"p.night {sign} ?")
                values.append(night.name)
        return " AND ".join(clauses), values


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll did, as it is recorded."""

    query: Query
    sweep: bool
    listed: int = 0
    new: int = 0
    changed: int = 0
    returned: int = 0
    withdrawn: int = 0
    faults: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NightCount:
    """How many products of one kind a night has, by state."""

    night: Night
    instrument: Instrument
    image_type: ImageType
    published: int
    wanted: int
    missing: int
    withdrawn: int
    size: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A product that could not be had yet, and why."""

    product: Product
    state: State
    attempts: int
    not_before: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class LastPoll:
    """When a program's type was last looked at, and with what result."""

    program: str
    instrument: Instrument
    image_type: ImageType
    at: str
    listed: int
    error: str | None


class Catalog:
    """The database of one mirror.

    Parameters
    ----------
    path
        The database file; its directory must exist.
    clock
        Gives the current UTC time.

    Raises
    ------
    StorageError
        From every method, when SQLite cannot do its work.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path = path
        self._clock = clock
        with _explained(path):
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._db = Database(connection)
            self._db.enable_wal()
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
                self._db.execute(f"PRAGMA {pragma}")
            migrations.apply(self._db)

    def close(self) -> None:
        """Close the database; nothing is lost by not doing so."""
        self._db.close()

    def mirror_name(self) -> str | None:
        """Give the name of the mirror this catalog belongs to; None while it is new."""
        row = self._row("SELECT id FROM mirror")
        return str(row["id"]) if row else None

    def take_mirror_name(self, name: str) -> None:
        """Bind a new catalog to a mirror."""
        with self._writing():
            self._db.table("mirror").insert({"id": name, "created_at": self._now()})

    # --- polls ---------------------------------------------------------------------------------

    def known(self, subject: Subject, identities: Iterable[tuple[str, str]]) -> list[Known]:
        """Give what is known of these products, seen from the program of a subject."""
        sql = """
            SELECT p.*, l.savepath IS NOT NULL AND l.withdrawn_at IS NULL AS listed_here
            FROM products p LEFT JOIN listings l
              ON l.instrument = p.instrument AND l.savepath = p.savepath AND l.program = ?
            WHERE p.instrument = ? AND p.savepath IN ({})
        """
        found: list[Known] = []
        paths = iter([savepath for _, savepath in identities])
        while chunk := list(islice(paths, _CHUNK)):
            rows = self._rows(
                sql.format(_marks(len(chunk))), [subject.program, subject.instrument, *chunk]
            )
            found += [_known(row) for row in rows]
        return found

    def expected(self, query: Query) -> list[Product]:
        """Give the products that this query, asked before, listed, and must list again.

        Only those well inside its dates count, because how the server treats the ends is
        inferred; and only those this very region listed last.
        """
        end = query.end or date.max - timedelta(days=1)
        rows = self._rows(
            """
            SELECT p.* FROM listings l JOIN products p USING (instrument, savepath)
            WHERE l.program = ? AND l.instrument = ? AND p.image_type = ? AND l.region = ?
              AND l.withdrawn_at IS NULL AND l.nightdate > ? AND l.nightdate < ?
            """,
            [
                query.subject.program,
                query.subject.instrument,
                query.subject.image_type,
                region_name(query.subject.region),
                query.start.isoformat(),
                end.isoformat(),
            ],
        )
        return [_product(row) for row in rows]

    def record_poll(
        self,
        poll: Poll,
        *,
        listed: Sequence[tuple[Row, str]] = (),
        wanted: Sequence[Row] = (),
        withdrawn: Sequence[Product] = (),
    ) -> list[Product]:
        """Record a poll and all it found, in one transaction.

        Parameters
        ----------
        poll
            What was asked and how it went.
        listed
            All rows, each with the path its product is to have below the root.
        wanted
            Those rows whose products are known and whose content is to be fetched again.
        withdrawn
            Products that this poll should have listed and did not.

        Returns
        -------
        list of Product
            New products that were left out, because another product has their path already.
        """
        left_out: list[Product] = []
        with self._writing():
            now = self._now()
            for row, path in listed:
                if self._enter(row.product, path, now):
                    self._touch(row, poll.query, now)
                else:
                    left_out.append(row.product)
            self._want(wanted)
            self._withdraw(poll.query.subject.program, withdrawn, now)
            self._db.table("polls").insert(_poll_record(poll, now))
        return left_out

    def _enter(self, product: Product, path: str, now: str) -> bool:
        """Make sure that a product is in the catalog; False if its path is another's."""
        self._db.execute(
            "INSERT OR IGNORE INTO products (instrument, savepath, image_type, night, filename,"
            " path, state, first_listed, last_listed) VALUES (?, ?, ?, ?, ?, ?, 'wanted', ?, ?)",
            [
                *(str(word) for word in product.identity),
                product.image_type.value,
                product.night.name,
                product.filename,
                path,
                now,
                now,
            ],
        )
        return (
            self._row(
                "SELECT 1 FROM products WHERE instrument = ? AND savepath = ?", product.identity
            )
            is not None
        )

    def _touch(self, row: Row, query: Query, now: str) -> None:
        identity = row.product.identity
        self._db.execute(
            "UPDATE products SET last_listed = ?, withdrawn_at = NULL"
            " WHERE instrument = ? AND savepath = ?",
            [now, *identity],
        )
        before = self._row(
            "SELECT first_listed FROM listings"
            " WHERE program = ? AND instrument = ? AND savepath = ?",
            [row.program, *identity],
        )
        self._db.table("listings").upsert(
            _listing_record(row, query, now, before["first_listed"] if before else now),
            pk=("program", "instrument", "savepath"),
        )

    def _want(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._db.execute(
                "UPDATE products SET state = 'wanted', attempts = 0, not_before = '',"
                " last_error = NULL WHERE instrument = ? AND savepath = ?",
                row.product.identity,
            )

    def _withdraw(self, program: str, products: Sequence[Product], now: str) -> None:
        for product in products:
            self._db.execute(
                "UPDATE listings SET withdrawn_at = ?"
                " WHERE program = ? AND instrument = ? AND savepath = ?",
                [now, program, *product.identity],
            )
            self._db.execute(
                "UPDATE products SET withdrawn_at = ? WHERE instrument = ? AND savepath = ?"
                " AND NOT EXISTS (SELECT 1 FROM listings l WHERE l.instrument = products.instrument"
                " AND l.savepath = products.savepath AND l.withdrawn_at IS NULL)",
                [now, *product.identity],
            )

    def last_sweep(self, subject: Subject) -> datetime | None:
        """Tell when the whole span of a subject was last asked for with success."""
        row = self._row(
            "SELECT max(at) AS at FROM polls WHERE sweep AND error IS NULL AND program = ?"
            " AND instrument = ? AND image_type = ? AND region = ?",
            [
                subject.program,
                subject.instrument,
                subject.image_type,
                region_name(subject.region),
            ],
        )
        return datetime.fromisoformat(row["at"]) if row and row["at"] else None

    # --- the queue -----------------------------------------------------------------------------

    def candidates(self, scope: Scope, order: Sequence[ImageType], limit: int) -> list[Candidate]:
        """Give products that may be fetched now: the untroubled and the newest night first.

        Within a night they come in the given order of types.
        """
        condition, values = scope.where()
        rows = self._rows(
            f"""
            WITH usual AS MATERIALIZED (
              SELECT instrument, image_type, avg(size) AS usual_size FROM products
              WHERE size IS NOT NULL GROUP BY instrument, image_type)
            SELECT p.*, min(l.program) AS program, l.lastmodified, l.pipeversion, usual_size
            FROM products p JOIN listings l USING (instrument, savepath)
              LEFT JOIN usual USING (instrument, image_type)
            WHERE p.state IN ('wanted', 'missing') AND p.claimed_by IS NULL
              AND p.withdrawn_at IS NULL AND l.withdrawn_at IS NULL AND p.not_before <= ?
              AND l.program IN ({_marks(len(scope.programs))}) AND {condition}
            GROUP BY p.instrument, p.savepath
            ORDER BY p.attempts, p.night DESC, instr(?, p.image_type), p.savepath LIMIT ?
            """,  # noqa: S608 - only question marks and our own column names are put in
            [self._now(), *scope.programs, *values, " ".join(order), limit],
        )
        return [_candidate(row) for row in rows]

    def count_wanted(self, scope: Scope) -> int:
        """Count the products of a scope that are still to be fetched, now or later."""
        condition, values = scope.where()
        row = self._row(
            f"""
            SELECT count(*) AS wanted FROM products p
            WHERE state = 'wanted' AND withdrawn_at IS NULL AND {condition}
              AND {_LISTED_UNDER.format(_marks(len(scope.programs)))}
            """,  # noqa: S608 - only question marks and our own column names are put in
            [*values, *scope.programs],
        )
        return int(row["wanted"]) if row else 0

    def claim(self, candidates: Sequence[Candidate], session: str) -> tuple[Candidate, ...]:
        """Lease products to a session; gives those that nobody else had taken meanwhile."""
        taken: list[Candidate] = []
        with self._writing():
            for candidate in candidates:
                changed = self._db.execute(
                    "UPDATE products SET claimed_by = ? WHERE instrument = ? AND savepath = ?"
                    " AND claimed_by IS NULL AND state IN ('wanted', 'missing')",
                    [session, *candidate.product.identity],
                ).rowcount
                if changed:
                    taken.append(candidate)
        return tuple(taken)

    def release(self, candidates: Iterable[Candidate]) -> None:
        """Give products back as they were claimed: nothing was learnt of them."""
        with self._writing():
            for candidate in candidates:
                self._settle(candidate.product, {})

    def release_sessions(self, alive: Iterable[str]) -> int:
        """Take back what is leased to sessions that are not alive; gives how many products."""
        names = ["", *alive]
        with self._writing():
            sql = f"UPDATE products SET claimed_by = NULL WHERE claimed_by NOT IN ({_marks(len(names))})"  # noqa: S608, E501 - only question marks are put in
            return self._db.execute(sql, names).rowcount

    def commit(
        self, outcomes: Iterable[Outcome], when_again: Callable[[int, Outcome], timedelta]
    ) -> None:
        """Record what became of claimed products, and end their leases, in one transaction.

        `when_again` gives the wait before the next attempt from the number of attempts so far.
        """
        with self._writing():
            for outcome in outcomes:
                match outcome:
                    case Published(candidate, evidence) | Unchanged(candidate, evidence):
                        self._hold(candidate.product, evidence)
                    case Missing(candidate) | Failed(candidate):
                        self._postpone(candidate, outcome, when_again)

    def _hold(self, product: Product, evidence: Evidence) -> None:
        """Record that the tree holds this content of a product."""
        held = self._row(
            "SELECT revision, sha256 FROM products WHERE instrument = ? AND savepath = ?",
            product.identity,
        )
        if held is None:
            return
        revision = held["revision"]
        if held["sha256"] != evidence.sha256:
            revision += 1
            self._add_revision(product, evidence, revision)
        self._settle(product, _held_columns(evidence, revision, self._now()))

    def _add_revision(self, product: Product, evidence: Evidence, revision: int) -> None:
        now = self._now()
        self._db.execute(
            "UPDATE revisions SET replaced_at = ?, kept = ?"
            " WHERE instrument = ? AND savepath = ? AND revision = ?",
            [now, evidence.kept, *product.identity, revision - 1],
        )
        self._db.table("revisions").insert(
            {
                "instrument": product.instrument.value,
                "savepath": product.savepath,
                "revision": revision,
                "path": evidence.path,
                "size": evidence.size,
                "sha256": evidence.sha256,
                "published_at": now,
            },
            replace=True,
        )

    def _postpone(
        self,
        candidate: Candidate,
        outcome: Missing | Failed,
        when_again: Callable[[int, Outcome], timedelta],
    ) -> None:
        attempts = candidate.attempts + 1
        missing = isinstance(outcome, Missing)
        self._settle(
            candidate.product,
            {
                "state": (State.MISSING if missing else State.WANTED).value,
                "attempts": attempts,
                "not_before": _text(self._clock() + when_again(attempts, outcome)),
                "last_error": None if isinstance(outcome, Missing) else outcome.reason,
                **(_mark_columns(candidate.marks) if missing else {}),
            },
        )

    def _settle(self, product: Product, columns: dict[str, Any]) -> None:
        self._db.table("products").update(
            (product.instrument.value, product.savepath), {**columns, "claimed_by": None}
        )

    def adopt(self, evidence: Evidence) -> bool:
        """Record a file that a crash left in the tree between its rename and its commit.

        Gives whether it was news.
        """
        with self._writing():
            row = self._row(
                "SELECT * FROM products WHERE instrument = ? AND savepath = ?",
                [evidence.instrument, evidence.savepath],
            )
            if row is None or (row["state"] == "published" and row["sha256"] == evidence.sha256):
                return False
            self._hold(_product(row), evidence)
            return True

    # --- looking -------------------------------------------------------------------------------

    def night_counts(self, scope: Scope) -> list[NightCount]:
        """Count products by night, instrument, type and state; the newest night first."""
        condition, values = scope.where()
        rows = self._rows(
            f"""
            SELECT night, instrument, image_type,
              sum(state = 'published') AS published,
              sum(state = 'wanted' AND withdrawn_at IS NULL) AS wanted,
              sum(state = 'missing' AND withdrawn_at IS NULL) AS missing,
              sum(withdrawn_at IS NOT NULL) AS withdrawn,
              coalesce(sum(size), 0) AS size
            FROM products p
            WHERE {condition} AND {_LISTED_UNDER.format(_marks(len(scope.programs)))}
            GROUP BY night, instrument, image_type ORDER BY night DESC, instrument, image_type
            """,  # noqa: S608 - only question marks and our own column names are put in
            [*values, *scope.programs],
        )
        return [_night_count(row) for row in rows]

    def troubles(self, scope: Scope, limit: int) -> list[Trouble]:
        """Give products that failed or are missing, the newest night first."""
        condition, values = scope.where()
        rows = self._rows(
            f"""
            SELECT * FROM products p
            WHERE state != 'published' AND attempts > 0 AND withdrawn_at IS NULL AND {condition}
              AND {_LISTED_UNDER.format(_marks(len(scope.programs)))}
            ORDER BY night DESC, instrument, savepath LIMIT ?
            """,  # noqa: S608 - only question marks and our own column names are put in
            [*values, *scope.programs, limit],
        )
        return [
            Trouble(
                product=_product(row),
                state=State(row["state"]),
                attempts=row["attempts"],
                not_before=row["not_before"],
                last_error=row["last_error"],
            )
            for row in rows
        ]

    def last_polls(self) -> list[LastPoll]:
        """Give the latest poll of every program, instrument and type."""
        rows = self._rows(
            """
            SELECT program, instrument, image_type, max(id), at, listed, error FROM polls
            GROUP BY program, instrument, image_type ORDER BY program, instrument, image_type
            """
        )
        return [
            LastPoll(
                program=row["program"],
                instrument=Instrument(row["instrument"]),
                image_type=ImageType(row["image_type"]),
                at=row["at"],
                listed=row["listed"],
                error=row["error"],
            )
            for row in rows
        ]

    # --- plumbing ------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Run one write transaction, waiting for other processes to end theirs."""
        with _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, values: Iterable[object] = ()) -> list[dict[str, Any]]:
        with _explained(self.path):
            return list(self._db.query(sql, [_plain(value) for value in values]))

    def _row(self, sql: str, values: Iterable[object] = ()) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, values)), None)

    def _now(self) -> str:
        return _text(self._clock())


class CatalogThread:
    """A catalog on a thread of its own, for coroutines.

    Use as an async context manager; `await thread(Catalog.claim, ...)` calls a method there.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._catalog: Catalog | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._catalog = await loop.run_in_executor(self._executor, Catalog, self._path, self._clock)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self(Catalog.close)
        self._executor.shutdown()

    async def __call__(
        self, method: Callable[Concatenate[Catalog, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a method of the catalog on its thread.

        A call that was begun is never abandoned half-way: cancelling the caller lets it finish.
        """
        if self._catalog is None:
            raise RuntimeError("the catalog is not open")
        catalog = self._catalog
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: method(catalog, *args, **kwargs)
        )


_LISTED_UNDER = (
    "EXISTS (SELECT 1 FROM listings l WHERE l.instrument = p.instrument"
    " AND l.savepath = p.savepath AND l.program IN ({}))"
)


def new_session() -> str:
    """Give a name for a session of work that no other has."""
    return uuid.uuid4().hex


def region_name(region: Region | None) -> str:
    """Write a region as one readable word of the catalog; empty for a whole program."""
    match region:
        case None:
            return ""
        case Target(name):
            return f"target {name}"
        case Cone(ra, dec, radius):
            return f"cone {ra:g} {dec:g} {radius:g}"
        case Rectangle(ra_min, ra_max, dec_min, dec_max):
            return f"rectangle {ra_min:g} {ra_max:g} {dec_min:g} {dec_max:g}"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as broken:
        raise StorageError(
            f"the catalog {path} failed: {broken}",
            remedy="Check the space and the permissions of its directory; "
            "nothing in the tree is affected.",
        ) from broken


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Instrument | ImageType | State) else value


def _product(row: dict[str, Any]) -> Product:
    return Product(
        instrument=Instrument(row["instrument"]),
        savepath=row["savepath"],
        image_type=ImageType(row["image_type"]),
        night=Night(row["night"]),
    )


def _known(row: dict[str, Any]) -> Known:
    return Known(
        product=_product(row),
        state=State(row["state"]),
        settled_marks=Marks(row["settled_lastmodified"], row["settled_pipeversion"]),
        listed_here=bool(row["listed_here"]),
        withdrawn=row["withdrawn_at"] is not None,
    )


def _candidate(row: dict[str, Any]) -> Candidate:
    product = _product(row)
    return Candidate(
        product=product,
        program=row["program"],
        attempts=row["attempts"],
        marks=Marks(row["lastmodified"], row["pipeversion"]),
        expected_size=int(row["size"] or row["usual_size"] or product.image_type.typical_size),
        path=row["path"],
        published_sha256=row["sha256"],
    )


def _night_count(row: dict[str, Any]) -> NightCount:
    return NightCount(
        night=Night(row["night"]),
        instrument=Instrument(row["instrument"]),
        image_type=ImageType(row["image_type"]),
        published=row["published"],
        wanted=row["wanted"],
        missing=row["missing"],
        withdrawn=row["withdrawn"],
        size=row["size"],
    )


def _listing_record(row: Row, query: Query, now: str, first_listed: str) -> dict[str, Any]:
    return {
        "program": row.program,
        "instrument": row.product.instrument.value,
        "savepath": row.product.savepath,
        "region": region_name(query.subject.region),
        "target": row.target,
        "nightdate": row.nightdate,
        "ra": row.ra,
        "dec": row.dec,
        "fid": row.fid,
        "utctime": row.utctime,
        "fieldid": row.fieldid,
        "lastmodified": row.lastmodified,
        "pipeversion": row.pipeversion,
        "extra": json.dumps(dict(row.extra), default=str) if row.extra else None,
        "first_listed": first_listed,
        "last_listed": now,
        "withdrawn_at": None,
    }


def _held_columns(evidence: Evidence, revision: int, now: str) -> dict[str, Any]:
    return {
        "state": State.PUBLISHED.value,
        "attempts": 0,
        "not_before": "",
        "last_error": None,
        "revision": revision,
        "size": evidence.size,
        "sha256": evidence.sha256,
        "published_at": now,
        **_mark_columns(evidence.marks),
    }


def _mark_columns(marks: Marks) -> dict[str, Any]:
    return {
        "settled_lastmodified": marks.lastmodified,
        "settled_pipeversion": marks.pipeversion,
    }


def _poll_record(poll: Poll, now: str) -> dict[str, Any]:
    query, subject = poll.query, poll.query.subject
    return {
        "at": now,
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
        "region": region_name(subject.region),
        "start": query.start.isoformat(),
        "end": query.end.isoformat() if query.end else None,
        "sweep": int(poll.sweep),
        "listed": poll.listed,
        "new": poll.new,
        "changed": poll.changed,
        "returned": poll.returned,
        "withdrawn": poll.withdrawn,
        "faults": poll.faults,
        "seconds": poll.seconds,
        "error": poll.error,
    }
