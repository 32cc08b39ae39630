"""The connection to the database: opening it, transactions, and queries with errors explained."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from itertools import chain
from random import random
from typing import TYPE_CHECKING, Any, TypeVar

from winter_sync.catalog.editions import (
    bring_up_to_date,
    is_up_to_date,
    migrations,
    refuse_others,
)
from winter_sync.catalog.errors import explained, is_busy, rows_explained
from winter_sync.catalog.identities import identities_of
from winter_sync.catalog.readonly import Reader, connect, refuse_irregular
from winter_sync.catalog.rows import check_rows
from winter_sync.catalog.values import format_instant, plain, whole_milliseconds
from winter_sync.core import BUSY_CATALOG, ErrorCode, StorageError
from winter_sync.core import storage_errors_explained as explained_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from winter_sync.catalog.sqlite import Database
    from winter_sync.core import Instrument

T = TypeVar("T")

_CHUNK = 400
"""Values in one statement: below SQLite's oldest limit of 999 variables."""

_LARGEST = 2**63 - 1
"""The largest whole number that SQLite has."""


class Connection:
    """A connection to the database of one mirror, for the thread that made it.

    Parameters
    ----------
    path
        The database file; its directory must exist.
    clock
        Returns the current UTC time.
    patience
        How long to wait while another process writes, in seconds.
    reading
        Whether to open an existing database for reading only: nothing is written then, not even
        beside it.

    Raises
    ------
    StorageError
        From every method, when SQLite cannot do its work.
    """

    def __init__(
        self, path: Path, clock: Callable[[], datetime], *, patience: float, reading: bool
    ) -> None:
        self.path = path
        self.clock = clock
        self._reader: Reader | None = None
        with explained_files(path):
            refuse_irregular(path)
        with explained(path):
            if reading:
                self._reader = connect(path, patience)
                self.sqlite = self._reader.connection
            else:
                self.sqlite = sqlite3.connect(path, timeout=patience, isolation_level=None)
            try:
                self._open_for_reading() if reading else self._open(patience)
            except BaseException:
                self.sqlite.close()
                raise

    @cached_property
    def db(self) -> Database:
        """The database with the functions of sqlite-utils."""
        # What opens a catalog that is up to date needs none of them, and starts in less time.
        from winter_sync.catalog.sqlite import Database  # noqa: PLC0415

        return Database(self.sqlite, execute_plugins=False)

    def _open_for_reading(self) -> None:
        refuse_others(self.sqlite, self.path)
        self.sqlite.execute("PRAGMA temp_store=MEMORY")
        if migrations.pending(self.sqlite):
            raise StorageError(
                f"the catalog {self.path} was written by an earlier winter-sync than this one",
                remedy="Restart the daemon with this version, or run `winter-sync status` as the "
                "user who keeps the mirror: that brings the catalog up to date.",
                code=ErrorCode.CATALOG_VERSION,
            )

    def _open(self, patience: float) -> None:
        """Create the tables of a new database; bring an older one to the newest edition."""
        refuse_others(self.sqlite, self.path)
        self._enable_wal(patience)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-8000",
        ):
            self.sqlite.execute(f"PRAGMA {pragma}")
        if not is_up_to_date(self.sqlite):
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        """Bring the tables to the newest edition, in memory that does not grow with them.

        A new index is sorted in files beside the database: in memory a large catalog would exceed
        what a service may use.
        """
        with suppress(UnicodeEncodeError):  # SQLite chooses where the name is not UTF-8
            self.sqlite.execute(f"PRAGMA temp_store_directory={quoted(str(self.path.parent))}")
        self.sqlite.execute("PRAGMA temp_store=FILE")
        # A table that is made anew must not take what refers to it along.
        self.sqlite.execute("PRAGMA foreign_keys=OFF")
        from winter_sync.catalog.migration_progress import MigrationProgress  # noqa: PLC0415 - as above

        progress = MigrationProgress(migrations.pending(self.sqlite), self.clock)
        try:
            with self.writing(), progress.shown(self.sqlite):
                bring_up_to_date(self.db, begin=progress.begin)
        finally:
            self.sqlite.execute("PRAGMA foreign_keys=ON")
            self.sqlite.execute("PRAGMA temp_store=MEMORY")
            self.sqlite.execute("PRAGMA temp_store_directory=''")

    def _enable_wal(self, patience: float) -> None:
        """Enable the write-ahead log, as patiently as everything else is done.

        When several processes do so with a new database, SQLite gives up at once, whatever timeout
        was set: each would wait for the others to stop reading.
        """
        with suppress(sqlite3.OperationalError):
            if self._has_wal():
                return
        from tenacity import Retrying, retry_if_exception, stop_after_delay  # noqa: PLC0415 - as above

        for attempt in Retrying(
            retry=retry_if_exception(is_busy),
            stop=stop_after_delay(patience),
            wait=lambda _: BUSY_CATALOG.delay(1, random()).total_seconds(),  # noqa: S311 - no secret
            reraise=True,
        ):
            with attempt:
                if not self._has_wal():
                    self.sqlite.execute("PRAGMA journal_mode=wal")

    def _has_wal(self) -> bool:
        (mode,) = self.sqlite.execute("PRAGMA journal_mode").fetchone()
        return bool(mode == "wal")

    def copy(self, path: Path, *, then: str) -> None:
        """Write a copy of the database, and run a statement in it."""
        with explained(path), closing(sqlite3.connect(path)) as copy:
            self.sqlite.backup(copy)
            copy.execute(then)
            copy.commit()

    def close(self) -> None:
        """Close the database; nothing is lost by not doing so."""
        self.sqlite.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run one write transaction, waiting for other processes to end theirs."""
        with explained(self.path):
            self.sqlite.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.sqlite.execute("COMMIT")
            except BaseException:
                if self.sqlite.in_transaction:
                    self.sqlite.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Show several queries the catalog as of one moment, whatever others write meanwhile."""
        with explained(self.path):
            self.sqlite.execute("BEGIN")
        try:
            yield
        finally:
            with explained(self.path):
                self.sqlite.execute("ROLLBACK")

    def _select(self, sql: str, values: Mapping[str, object]) -> sqlite3.Cursor:
        try:
            return self.sqlite.execute(sql, values)
        except (UnicodeEncodeError, OverflowError):
            return self.sqlite.execute(sql, {name: _bindable(v) for name, v in values.items()})

    def execute(self, sql: str, values: Mapping[str, object]) -> int:
        """Run a statement inside the open transaction; return how many rows it changed."""
        return self.sqlite.execute(sql, values).rowcount

    def insert(self, sql: str, values: Mapping[str, object]) -> int:
        """Insert a row inside the open transaction; return its number."""
        return self.sqlite.execute(sql, values).lastrowid or 0

    def execute_many(self, sql: str, records: Iterable[Mapping[str, object]]) -> None:
        """Run a statement for each of many records, inside the open transaction."""
        self.sqlite.executemany(sql, records)

    def update_product(self, number: int, columns: Mapping[str, Any]) -> None:
        """Set columns of a product, inside the open transaction."""
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        self.execute(
            f"UPDATE products SET {assignments} WHERE id = :id",  # noqa: S608 - our own column names
            {**columns, "id": number},
        )

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """Return the rows that a query finds, each checked for what no version ever writes."""
        return [row for some in self._checked(sql, values) for row in some]

    def _checked(
        self, sql: str, values: Mapping[str, object] | None
    ) -> Generator[list[dict[str, Any]], None, None]:
        """Yield the rows that a query finds, some at a time; run it to its end, or close it."""
        try:
            with explained(self.path):
                bound = {name: plain(value) for name, value in (values or {}).items()}
                cursor = self._select(sql, bound)
                names = [column[0] for column in cursor.description]
                while found := cursor.fetchmany(_CHUNK):
                    some = [dict(zip(names, row, strict=True)) for row in found]
                    with rows_explained(self.path):
                        check_rows(some, names)
                    yield some
        finally:
            # What was written meanwhile explains whatever else is wrong.
            if self._reader is not None:
                self._reader.check()

    def tuples(
        self, sql: str, values: Mapping[str, object] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that a query finds as they are: for numbers that are many."""
        with explained(self.path):
            yield from self._select(sql, values or {})
        if self._reader is not None:
            self._reader.check()

    def row(self, sql: str, values: Mapping[str, object] | None = None) -> dict[str, Any] | None:
        """Return the first row that a query finds; None if there is none."""
        return next(iter(self.rows(sql, values)), None)

    def read(
        self,
        convert: Callable[[dict[str, Any]], T],
        sql: str,
        values: Mapping[str, object] | None = None,
    ) -> list[T]:
        """Return what a query finds, each row converted by a function of `rows` as it is read.

        As dictionaries many rows would take several times the memory.
        """
        with closing(self._checked(sql, values)) as found:
            return self.converted(convert, chain.from_iterable(found))

    def converted(
        self, convert: Callable[[dict[str, Any]], T], rows: Iterable[dict[str, Any]]
    ) -> list[T]:
        """Return rows that were found, each converted by a function of `rows`."""
        with rows_explained(self.path):
            return [convert(row) for row in rows]

    def rows_about(
        self, sql: str, identities: Iterable[tuple[Instrument, str]]
    ) -> Iterator[dict[str, Any]]:
        """Yield what a query from `IDENTIFIED` finds about these products."""
        for chunk in chunks(list(identities)):
            yield from self.rows(sql, {"identities": identities_of(chunk)})

    def now(self) -> str:
        """Return the current time as the catalog writes it."""
        return format_instant(self.clock())

    def now_ms(self) -> int:
        """Return the current time as the catalog packs it."""
        return whole_milliseconds(self.clock())

    def at(self, offset: timedelta) -> str:
        """Return the time this much after now (before, if negative), as the catalog writes it."""
        return format_instant(self.clock() + offset)


def quoted(text: str) -> str:
    """Return a text as SQLite writes it in a statement."""
    return "'" + text.replace("'", "''") + "'"


def _bindable(value: object) -> object:
    """Return what compares with all that the catalog holds as a value does that it cannot hold.

    Names on a disk and in a command line need not be UTF-8, and people write large numbers.
    """
    if isinstance(value, str):
        with suppress(UnicodeEncodeError):
            value.encode()
            return value
        return value.encode(errors="surrogatepass")
    return min(max(value, -_LARGEST), _LARGEST) if isinstance(value, int) else value


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in groups that fit into one statement."""
    for at in range(0, len(values), _CHUNK):
        yield values[at : at + _CHUNK]
