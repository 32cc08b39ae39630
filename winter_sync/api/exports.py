"""Tables of all that a mirror knows: products as ObsCore has them, and the log of a night."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from winter_sync.api.search import as_catalog_knows
from winter_sync.catalog import UserState
from winter_sync.core import ErrorCode, UsageError, was_removed
from winter_sync.science import describe, log_entry, logged, visits

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import Catalog, Search
    from winter_sync.core import Dataset
    from winter_sync.science import Visit


def obscore_rows(
    catalog: Catalog, root: Path, search: Search, as_of: datetime | None = None
) -> Generator[dict[str, object], None, None]:
    """Yield the products that answer a question as ObsCore rows (`OBSCORE_COLUMNS`).

    All are as the catalog has them at one moment, that of the first row. Few are in memory at a
    time. Who does not take all must close the generator before the catalog.

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

    Raises
    ------
    UsageError
        If the question is about the present, and an instant is given.
    """
    if as_of is not None:
        _refuse_present(search)
    return _described(_datasets(catalog, root, search, as_of), root, search.limit)


def _described(
    datasets: Generator[Dataset, None, None], root: Path, limit: int | None
) -> Generator[dict[str, object], None, None]:
    with closing(datasets):
        for dataset in islice(datasets, limit):
            yield describe(dataset, root)


def nightlog_rows(catalog: Catalog, root: Path, search: Search) -> list[dict[str, object]]:
    """Return the log of the images that answer a question (`NIGHTLOG_COLUMNS`), by time."""
    return [log_entry(dataset) for dataset in logged(_datasets(catalog, root, search, None))]


def night_visits(catalog: Catalog, root: Path, search: Search) -> list[Visit]:
    """Return the visits of the images that answer a question, by time."""
    return visits(_datasets(catalog, root, search, None))


def _refuse_present(search: Search) -> None:
    if search.states or search.downloaded_since is not None:
        raise UsageError(
            "what was here at an earlier instant has no state and is not new",
            remedy="Leave out either the instant (--as-of) or the state (--state, --new-since).",
            code=ErrorCode.USE_OPTION,
        )


def _datasets(
    catalog: Catalog, root: Path, search: Search, as_of: datetime | None
) -> Generator[Dataset, None, None]:
    place, asked = os.fspath(root), as_catalog_knows(search)
    if as_of is not None:
        asked = replace(asked, limit=None)
    with catalog.snapshot():
        numbers = catalog.searches.numbers(asked)
        for dataset in catalog.exports.datasets(numbers, search.programs, as_of):
            seen = _with_file(dataset, place)
            if not search.states or seen.state in search.states:
                yield seen


def _with_file(dataset: Dataset, root: str) -> Dataset:
    """Return a product as it is if its file was removed and nobody has noticed yet."""
    if dataset.file is None or not was_removed(f"{root}/{dataset.file}"):
        return dataset
    was_here = dataset.state == UserState.DOWNLOADED and dataset.file == dataset.path
    return replace(dataset, file=None, state=UserState.DAMAGED if was_here else dataset.state)
