"""Tables of all that the mirror knows: products as ObsCore has them, and the log of a night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.science import describe, log_entry, logged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import Catalog, Search


def obscore_rows(
    catalog: Catalog, root: Path, search: Search, as_of: datetime | None = None
) -> Iterator[dict[str, object]]:
    """Yield the products that answer a question as ObsCore rows (`OBSCORE_COLUMNS`).

    All are as the catalog has them at one moment, that of the first row. Few are in memory at a
    time.

    Parameters
    ----------
    catalog
        The catalog of the mirror.
    root
        The root of the tree, an absolute path.
    search
        The question.
    as_of
        The instant whose contents are meant; products that were not here then are left out.
    """
    with catalog.snapshot():
        numbers = catalog.searches.numbers(search)
        for dataset in catalog.exports.datasets(numbers, search.programs, as_of):
            yield describe(dataset, root)


def nightlog_rows(catalog: Catalog, search: Search) -> list[dict[str, object]]:
    """Return the log of the images that answer a question (`NIGHTLOG_COLUMNS`), by time."""
    with catalog.snapshot():
        numbers = catalog.searches.numbers(search)
        return [
            log_entry(dataset)
            for dataset in logged(catalog.exports.datasets(numbers, search.programs))
        ]
