"""The catalog, what the mirror knows: the sole owner of the SQLite database.

A `Catalog` belongs to the thread that made it, as its connection does; `CatalogThread` gives it a
thread of its own for coroutines. Every write is one short `BEGIN IMMEDIATE` transaction, durable
when it returns; several processes may share one catalog.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from winter_sync.catalog.adoptions import Adoptions
from winter_sync.catalog.checks import Checks
from winter_sync.catalog.connection import Connection
from winter_sync.catalog.event_sinks import EventSinks
from winter_sync.catalog.facts import Facts
from winter_sync.catalog.files import Files
from winter_sync.catalog.history import History
from winter_sync.catalog.listings import Listings
from winter_sync.catalog.nights import Nights
from winter_sync.catalog.observations import Observations
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.outcomes import Outcomes
from winter_sync.catalog.polls import Polls
from winter_sync.catalog.queue import Queue
from winter_sync.catalog.refetches import Refetches
from winter_sync.catalog.renames import Renames
from winter_sync.catalog.search import Searches
from winter_sync.catalog.set_aside import SetAside
from winter_sync.catalog.settling import Settling
from winter_sync.catalog.too import ToOQueue
from winter_sync.catalog.views import Views
from winter_sync.catalog.withdrawals import Withdrawals

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog.alerts import Alerts
    from winter_sync.catalog.coverage import Coverage
    from winter_sync.catalog.exports import Exports
    from winter_sync.catalog.sky import Sky

_PATIENCE_SECONDS = 30.0


class Catalog:
    """The database of one mirror, in parts.

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

    Attributes
    ----------
    listings
        The listings of the archive: compared, recorded, withdrawn.
    polls
        How the polls went.
    queue
        Products to fetch, and which session is fetching them.
    refetches
        What is here and fetched again: counted, waiting, asked for.
    history
        The revisions of products, and what else happened to them.
    outcomes
        The outcomes of fetching.
    files
        The files of the tree.
    checks
        The results of checking files.
    facts
        What the headers of images say.
    adoptions
        Which products files could be that are not known.
    searches
        Questions: which products, by anything that is known of them.
    observations
        Images whose files are here, for services that others ask.
    too
        The observatory's queue of requests.
    outbox
        Events for other programs.
    sinks
        How far each sink of events has got.
    nights
        What of each night is here, and which nights are settled.
    settling
        What changed of nights, and what their manifests show.
    renames
        To which products withdrawn ones were renamed.
    views
        The mirror in numbers.
    set_aside
        The files of withdrawn products that are not in the tree any more.
    withdrawals
        What vanished from the listings, and whether that is believed.

    Raises
    ------
    StorageError
        From every method, when SQLite cannot do its work.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], datetime],
        *,
        patience: float = _PATIENCE_SECONDS,
        reading: bool = False,
    ) -> None:
        self.path = path
        self.connection = Connection(path, clock, patience=patience, reading=reading)
        self.listings = Listings(self.connection)
        self.polls = Polls(self.connection)
        self.queue = Queue(self.connection)
        self.refetches = Refetches(self.connection)
        self.history = History(self.connection)
        self.outcomes = Outcomes(self.connection)
        self.files = Files(self.connection)
        self.checks = Checks(self.connection)
        self.facts = Facts(self.connection)
        self.adoptions = Adoptions(self.connection)
        self.searches = Searches(self.connection)
        self.observations = Observations(self.connection)
        self.outbox = Outbox(self.connection)
        self.sinks = EventSinks(self.connection, self.outbox)
        self.nights = Nights(self.connection)
        self.settling = Settling(self.connection)
        self.renames = Renames(self.connection)
        self.views = Views(self.connection)
        self.set_aside = SetAside(self.connection)
        self.too = ToOQueue(self.connection)
        self.withdrawals = Withdrawals(self.connection)

    @cached_property
    def alerts(self) -> Alerts:
        """The alerts of Avro files."""
        from winter_sync.catalog.alerts import Alerts  # noqa: PLC0415 - few commands ask it

        return Alerts(self.connection, self.facts)

    @cached_property
    def coverage(self) -> Coverage:
        """Which images show a position."""
        from winter_sync.catalog.coverage import Coverage  # noqa: PLC0415 - few commands ask it

        return Coverage(self.connection)

    @cached_property
    def exports(self) -> Exports:
        """All that is known of products."""
        from winter_sync.catalog.exports import Exports  # noqa: PLC0415 - few commands ask it

        return Exports(self.connection)

    @cached_property
    def sky(self) -> Sky:
        """What the images here show of the whole sky, summed up."""
        from winter_sync.catalog.sky import Sky  # noqa: PLC0415 - few commands ask it

        return Sky(self.connection)

    def close(self) -> None:
        """Close the database; nothing is lost by not doing so."""
        self.connection.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """Show several queries the catalog as of one moment, whatever others write meanwhile."""
        return self.connection.snapshot()

    def version(self) -> int:
        """Return a number that changes when another connection has changed the catalog."""
        ((version,),) = self.connection.tuples("PRAGMA data_version")
        return int(version)

    def mirror_name(self) -> str | None:
        """Return the name of the mirror this catalog belongs to; None while it is new."""
        row = self.connection.row("SELECT id FROM mirror")
        return str(row["id"]) if row else None

    def copy_without_name(self, path: Path) -> None:
        """Write a copy of the database that belongs to no mirror yet."""
        self.connection.copy(path, then="DELETE FROM mirror")

    def take_mirror_name(self, name: str) -> None:
        """Bind a new catalog to a mirror; one that is bound already stays as it is.

        Its events are numbered from the clock on: whoever read those of a catalog that was here
        before misses none.
        """
        with self.connection.writing():
            self.outbox.begin_numbers()
            self.connection.execute(
                "INSERT INTO mirror (id, created_at) SELECT :name, :now"
                " WHERE NOT EXISTS (SELECT 1 FROM mirror)",
                {"name": name, "now": self.connection.now()},
            )
