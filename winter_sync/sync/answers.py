"""The answer to a query: asked for, and what was known of it joined with what was not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.archive import joined
from winter_sync.catalog import Listings

if TYPE_CHECKING:
    from winter_sync.archive import ArchiveClient, Listing
    from winter_sync.catalog import CatalogThread
    from winter_sync.core import KnownRows, Query


async def ask(
    api: ArchiveClient,
    catalog: CatalogThread,
    query: Query,
    known: KnownRows,
    *,
    once: bool = False,
) -> Listing:
    """Ask for a listing; understand its rows that are not known, and those beside them.

    Parameters
    ----------
    api, catalog
        What is asked, and what knows the rows.
    query
        What to ask.
    known
        The rows that would mean nothing new, if each were the only one of its product.
    once
        Make one attempt, and do not take its failure for the server's.

    Raises
    ------
    WinterSyncError
        Split by remedy, as everywhere.
    """
    listings = await api.listings(query, known, once=once)
    parts = [await _with_doubled(catalog, query, part) for part in listings]
    if len(parts) == 1:
        return parts[0]
    whole = joined(parts)
    listing = await _with_doubled(catalog, query, whole)
    return replace(listing, received=listing.distinct, found=listing.distinct + whole.unlisted)


async def _with_doubled(catalog: CatalogThread, query: Query, listing: Listing) -> Listing:
    """Take the known rows of products that have other rows as well for rows that are not known."""
    instrument = query.subject.instrument
    others = [row.product.identity for row in listing.rows]
    others += [(instrument, savepath) for savepath in listing.malformed]
    if listing.known is None or not others or not listing.seen.count(1):
        return listing
    numbers = {known.number for known in await catalog.listings(Listings.known, others)}
    places = listing.known.places_of(listing.seen, numbers)
    if not places:
        return listing
    doubled = [listing.known.numbers[place] for place in places]
    rows = await catalog.listings(Listings.rows, query.subject.program, doubled)
    return listing.understood(places, rows)


async def savepaths_of(catalog: CatalogThread, listing: Listing) -> set[str]:
    """Return the savepaths of all that an answer lists."""
    paths = {row.product.savepath for row in listing.rows} | listing.malformed
    if listing.known is not None and listing.seen.count(1):
        numbers = listing.known.numbers
        seen = [numbers[place] for place, known in enumerate(listing.seen) if known]
        paths |= {product.savepath for product in await catalog.listings(Listings.products, seen)}
    return paths
