"""The answer of SIA 2.0 in parts: a VOTable of ObsCore rows, as the images are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.science import (
    OBSCORE_COLUMNS,
    begin_votable,
    describe,
    end_votable,
    votable_error,
    votable_row,
)
from winter_sync.vo.matching import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from winter_sync.catalog import Catalog
    from winter_sync.vo.parameters import ImageQuery

_PROTOCOL = ("SIA", "2.0")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of an answer.

    Parameters
    ----------
    text
        The rows, as a VOTable has them.
    count
        How many there are.
    has_more
        Whether there was one more than may be returned.
    """

    text: bytes
    count: int
    has_more: bool


def begin_answer() -> bytes:
    """Return an answer up to its first row."""
    return begin_votable(OBSCORE_COLUMNS, _PROTOCOL)


def read_images(  # noqa: PLR0913 - all by name but the catalog
    catalog: Catalog,
    *,
    query: ImageQuery,
    numbers: Sequence[int],
    room: int,
    root: Path,
    link: Callable[[str], str],
) -> Rows:
    """Read the images of some row numbers that answer a query.

    Parameters
    ----------
    catalog
        The catalog.
    query
        The query.
    numbers
        The row numbers.
    room
        How many rows may still be returned.
    root
        The root of the tree.
    link
        Returns the address of a file, by its path below the root.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    texts: list[bytes] = []
    for dataset in catalog.exports.datasets(numbers):
        row = describe(dataset, root)
        if dataset.file is None or not answers(query, dataset, row):
            continue
        if len(texts) == room:
            return Rows(b"".join(texts), room, has_more=True)
        row["access_url"] = link(dataset.file)
        texts.append(votable_row(OBSCORE_COLUMNS, row))
    return Rows(b"".join(texts), len(texts), has_more=False)


def end_answer(overflow: str | None = None, failure: str | None = None) -> bytes:
    """Return what follows the last row; why there are more, or why it is not the last."""
    if failure is not None:
        return end_votable("ERROR", failure)
    return end_votable("OVERFLOW", overflow) if overflow is not None else end_votable()


def error_answer(said: str) -> bytes:
    """Return the answer to a query that cannot be answered."""
    return votable_error(said, _PROTOCOL)
