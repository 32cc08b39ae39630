"""What a backfill would download: the archive's listing, held against the catalog and not recorded.

Nothing is downloaded, and nothing is written anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from winter_sync.catalog import Listings
from winter_sync.core import BadAnswerError, RejectedQueryError, State
from winter_sync.sync.comparison import is_reprocessed, one_row_each
from winter_sync.sync.listing_recorder import WantedRows
from winter_sync.sync.windows import backfill_queries, span_of, split_by_date, split_in_half

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.archive import ArchiveClient
    from winter_sync.catalog import CatalogThread
    from winter_sync.core import (
        ImageType,
        Instrument,
        KnownProduct,
        Night,
        Part,
        Product,
        Query,
        Row,
        Selection,
        WinterSyncError,
    )
    from winter_sync.sync.windows import Nights

_FAILURES = 8
"""After this many windows that are not answered, a subject is asked no more."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How many products a backfill finds, and about how much of them it downloads."""

    listed: int = 0
    here: int = 0
    """Downloaded already, and not fetched again."""
    missing: int = 0
    """Of those to fetch, what the server had no file of when it was last asked."""
    to_fetch: int = 0
    size: int = 0
    """Bytes of those to fetch, less the missing, by what is usual of their type."""

    def __add__(self, other: Expected) -> Expected:
        """Return the sum."""
        return Expected(
            self.listed + other.listed,
            self.here + other.here,
            self.missing + other.missing,
            self.to_fetch + other.to_fetch,
            self.size + other.size,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Products that are counted together."""

    program: str
    night: Night
    instrument: Instrument
    image_type: ImageType


@dataclass(slots=True)
class DryRun:
    """What a backfill would do.

    Attributes
    ----------
    groups
        What is expected by program, night, camera and type. A product of two programs counts in
        both.
    together
        The same of all, each product once.
    cut
        Of dates of which the archive says that it found more images than it listed, how many more.
    failed
        What it did not answer, and why.
    queries
        How many queries were sent.
    """

    groups: dict[Group, Expected] = field(default_factory=dict)
    together: Expected = Expected()
    cut: dict[Query, int] = field(default_factory=dict)
    failed: list[tuple[Query, WinterSyncError]] = field(default_factory=list)
    queries: int = 0
    _counted: set[tuple[Instrument, str]] = field(default_factory=set)

    def add(self, program: str, product: Product, expected: Expected) -> None:
        """Count a product of a program."""
        group = Group(program, product.night, product.instrument, product.image_type)
        self.groups[group] = self.groups.get(group, Expected()) + expected
        if product.identity not in self._counted:
            self._counted.add(product.identity)
            self.together += expected


async def dry_run(  # noqa: PLR0913 - what a backfill has
    api: ArchiveClient,
    catalog: CatalogThread | None,
    selections: Sequence[Selection],
    nights: Nights,
    part: Part,
    *,
    recheck: bool = False,
) -> DryRun:
    """Return what a backfill of these nights, or of a part of them, would download.

    With `recheck` all that is here is taken to be fetched again, which is the most that it can be.

    Raises
    ------
    CredentialsRefusedError, TransientError
        If the archive refuses or does not answer.
    StorageError
        If the catalog cannot be read.
    """
    found = DryRun()
    wanted = WantedRows(nights, part=part)
    for selection in selections:
        span = span_of(selection, await api.program(selection.program))
        # Only regions of one camera and type have products in common.
        for _, alike in groupby(selection.subjects, lambda each: replace(each, region=None)):
            asking = _Asking(api, found, wanted)
            for subject in alike:
                queries = backfill_queries(subject, span, api.today, nights.first, nights.last)
                await asking.ask_all(queries)
            await _count(found, catalog, selection.program, asking.rows, recheck=recheck)
    return found


async def _count(
    found: DryRun,
    catalog: CatalogThread | None,
    program: str,
    rows: Sequence[Row],
    *,
    recheck: bool,
) -> None:
    """Count the products of the rows of one camera and type."""
    known = await _known(catalog, rows)
    for row in one_row_each(rows):
        expected = _expected(row, known.get(row.product.identity), recheck=recheck)
        found.add(program, row.product, expected)


class _Asking:
    """Asks for windows, by parts where the archive does not answer whole ones.

    Parameters
    ----------
    api
        The archive.
    found
        Where it is counted what was asked, and what was not answered.
    wanted
        Which rows to keep.
    """

    def __init__(self, api: ArchiveClient, found: DryRun, wanted: WantedRows) -> None:
        self._api = api
        self._found = found
        self._wanted = wanted
        self.rows: list[Row] = []
        """Those of all answers."""

    async def ask_all(self, queries: Iterable[Query]) -> None:
        """Ask for the windows of a subject; after many that are not answered, for no more."""
        before = len(self._found.failed)
        for query in queries:
            if len(self._found.failed) - before < _FAILURES:
                await self._ask(query)

    async def _ask(self, query: Query) -> None:
        today = self._api.today
        parts = split_in_half(query, today) or split_by_date(query, today)
        self._found.queries += 1
        try:
            listing = await self._api.query(query)
        except BadAnswerError as error:
            if not parts or isinstance(error, RejectedQueryError):
                self._found.failed.append((query, error))
            else:
                await self._ask_parts(parts)
            return
        self.rows += (row for row in listing.rows if self._wanted.includes(row, ()))
        unlisted = listing.unlisted
        del listing  # its parts may be as large
        if unlisted > 0:
            await self._ask_parts(parts)
            if not parts:
                self._found.cut[query] = unlisted

    async def _ask_parts(self, parts: Iterable[Query]) -> None:
        for part in parts:
            await self._ask(part)


async def _known(
    catalog: CatalogThread | None, rows: Iterable[Row]
) -> dict[tuple[Instrument, str], KnownProduct]:
    """Return what the catalog knows of the products of these rows; nothing without a catalog."""
    if catalog is None:
        return {}
    identities = sorted({row.product.identity for row in rows})
    known = await catalog.listings(Listings.known, identities)
    return {each.product.identity: each for each in known}


def _expected(row: Row, known: KnownProduct | None, *, recheck: bool) -> Expected:
    """Return what a listed product counts as."""
    size = row.product.image_type.traits.typical_size
    if known is None or known.state is State.WANTED:
        return Expected(listed=1, to_fetch=1, size=size)
    if known.state is State.MISSING:
        return Expected(listed=1, missing=1, to_fetch=1)
    if recheck or is_reprocessed(row, known):
        return Expected(listed=1, to_fetch=1, size=size)
    return Expected(listed=1, here=1)
