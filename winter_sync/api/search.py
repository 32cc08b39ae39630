"""Products of a mirror that answer a question, each with its file as it is now; and new ones."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from winter_sync.api.products import MirrorProduct
from winter_sync.catalog import UserState
from winter_sync.core import was_removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import Catalog, FoundProduct, Search
    from winter_sync.core import Instrument

_OVERLAP = timedelta(minutes=5)
"""How far a clock may be set back between two downloads without one being passed over."""
_BY_FILE = frozenset({UserState.DOWNLOADED, UserState.DAMAGED})
"""The states that depend on whether the file is there."""


def search_products(catalog: Catalog, root: Path, search: Search) -> Iterator[MirrorProduct]:
    """Yield the products that answer a question.

    A product whose file was removed since the catalog was last compared with the tree is damaged.
    """
    asked = as_catalog_knows(search)
    place = os.fspath(root)
    products = (_with_file(found, place) for found in catalog.searches.search(asked))
    if search.states:
        products = (found for found in products if found.state in search.states)
    return (MirrorProduct(found, root) for found in islice(products, search.limit))


def as_catalog_knows(search: Search) -> Search:
    """Return a question whose answer holds all that may answer another, once files are seen."""
    if _BY_FILE.isdisjoint(search.states):
        return search
    return replace(search, states=tuple(_BY_FILE.union(search.states)), limit=None)


def _with_file(found: FoundProduct, root: str) -> FoundProduct:
    if not found.has_file or not was_removed(f"{root}/{found.path}"):
        return found
    state = UserState.DAMAGED if found.state is UserState.DOWNLOADED else found.state
    return replace(found, has_file=False, state=state)


def products_now(
    catalog: Catalog, root: Path, identities: Iterable[tuple[Instrument, str]]
) -> Iterator[MirrorProduct]:
    """Yield these products as they are now, in the order of their exposures."""
    place = os.fspath(root)
    for found in catalog.searches.products(identities):
        yield MirrorProduct(_with_file(found, place), root)


def new_products(
    catalog: Catalog,
    root: Path,
    search: Search,
    wait: Callable[[], object] | None = None,
) -> Iterator[MirrorProduct]:
    """Yield what was downloaded since an instant, in the order of arrival; again if reprocessed.

    Parameters
    ----------
    catalog
        The catalog.
    root
        The root of the tree.
    search
        Its `downloaded_since` is the instant.
    wait
        Waits until the catalog is asked again, for ever; None to end with what is there.
    """
    seen: dict[str, datetime] = {}
    since = search.downloaded_since
    while True:
        for product in _arrivals(catalog, root, replace(search, downloaded_since=since)):
            at, key = product.downloaded_at, f"{product.instrument} {product.savepath}"
            if at is not None and seen.get(key) != at:
                seen[key] = at
                yield product
        if wait is None:
            return
        since = _later(since, max(seen.values(), default=None))
        seen = {key: at for key, at in seen.items() if since is None or at >= since}
        wait()


def _arrivals(catalog: Catalog, root: Path, search: Search) -> list[MirrorProduct]:
    products = search_products(catalog, root, search)
    here = (product for product in products if product.has_file and product.downloaded_at)
    return sorted(here, key=lambda product: str(product.downloaded_at))


def _later(since: datetime | None, newest: datetime | None) -> datetime | None:
    """Return the instant from which to ask again."""
    if newest is None or since is None:
        return since
    return max(since, newest - _OVERLAP)
