"""What the archive's answer to a query says, read liberally: rows out, and what makes no sense."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from sys import intern
from types import MappingProxyType
from typing import Any

from winter_sync import __version__
from winter_sync.archive.texts import valid_unicode
from winter_sync.core import (
    BadAnswerError,
    ErrorCode,
    KnownRows,
    Product,
    Query,
    Row,
    night_of,
    position_on_sky,
)

_COLUMNS = frozenset(
    {
        "progname", "nightdate", "targname", "ra", "dec", "fid", "utctime", "fieldid",
        "image_type", "savepath", "lastmodified", "pipeversion",
    }
)  # fmt: skip
READER = f"winter-sync/{__version__}"
"""What reads rows: another version may understand the same row otherwise."""
MOST_ROWS = 15_000
"""In one answer, known ones aside: understood and compared, a row takes some 1.5 kB. Of a window
with more these are used, and the rest is asked for then."""
MOST_TOLD = 20
"""This many of the rows that cannot be used are reported each; the others are counted."""
_LONGEST_TEXT = 500
"""Characters of a name, a date or a mark: tables are as wide as the longest."""
_SHOWN = 200
_BEYOND_SQL = 2**63
_EXACT = 2**53
"""Below this a floating-point number is as good as a whole one."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LONGEST_SAVEPATH = 4096
"""As long as a path can be on the archive's own machine; each is sent back to ask for its file."""
_FOUND = re.compile(r"\bfound\s+(\d{1,9})\b", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows that could be used, and for the first of the others why they could not."""

    rows: tuple[Row, ...]
    faults: tuple[str, ...]
    untold: int = 0
    """How many more rows could not be used."""
    found: int | None = None
    """How many images the archive says it found; None where it does not say."""
    received: int = 0
    """How many rows arrived, useful or not."""
    distinct: int = 0
    """How many different products they are, as far as is known."""
    malformed: frozenset[str] = frozenset()
    """The savepaths of rows that could not be used and have one."""
    nameless: int = 0
    """How many rows could not be used and do not say what they are."""
    known: KnownRows | None = field(default=None, compare=False, repr=False)
    """The rows that would have meant nothing new; None where that was not asked."""
    seen: bytes = field(default=b"", repr=False)
    """1 at the place of each of them that arrived."""
    is_stopped: bool = False
    """Whether no more of it was read because as many rows as are used at once were not known."""

    @property
    def is_cut(self) -> bool:
        """Whether the archive found more than it listed."""
        return self.unlisted > 0

    @property
    def is_whole(self) -> bool:
        """Whether what is not listed was not found: no row is missing or unidentified."""
        return not self.unlisted and not self.nameless and not self.is_stopped

    @property
    def unlisted(self) -> int:
        """How many more images the archive says it found than it listed; negative if fewer."""
        agrees = self.found in (None, self.received, self.distinct)
        return 0 if self.found is None or agrees else self.found - self.distinct

    def names(self, product: Product) -> bool:
        """Return whether a row that could not be used is about this product."""
        return product.savepath in self.malformed

    def understood(self, places: Iterable[int], rows: Iterable[Row]) -> Listing:
        """Return the same with the rows at these places, which were known, among the others."""
        seen = bytearray(self.seen)
        for place in places:
            seen[place] = 0
        together = (*self.rows, *rows)
        distinct = _count_distinct(together, self.malformed, self.nameless, seen)
        return replace(self, rows=together, seen=bytes(seen), distinct=distinct)


class RowsRead:
    """The rows of an answer, understood one by one (winter-api.md, "Endpoints").

    A null or malformed row is left out and reported; unknown columns are kept in `Row.extra`, as is
    an image type other than the one that was asked for.

    Parameters
    ----------
    query
        What was asked.
    most
        How many may be understood.
    """

    def __init__(self, query: Query, most: int = MOST_ROWS) -> None:
        self._query = query
        self._most = most
        self._rows: list[Row] = []
        self._reasons: list[str] = []
        self._refused: list[str | None] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._rows) + len(self._refused)

    def add(self, number: int, raw: object, fingerprint: int | None = None) -> None:
        """Understand the row of this number, and keep what it is.

        Raises
        ------
        TooManyRowsError
            If there are more than that.
        """
        if self.count >= self._most:
            raise TooManyRowsError(self._most)
        try:
            self._rows.append(_row(raw, self._query, fingerprint))
        except _MalformedRowError as malformed:
            self._refused.append(_savepath(raw))
            if len(self._reasons) < MOST_TOLD:
                self._reasons.append(f"row {number}: {malformed}")

    def listing(self, said: object, known: KnownRows, seen: bytes, times_seen: int) -> Listing:
        """Return what an answer lists: these rows, and others that were known.

        Parameters
        ----------
        said
            Its message. The number of images in it, "Found 166 images", shows whether rows are
            missing.
        known, seen, times_seen
            What could be known, 1 at the place of each row that was, and how many rows that were.
        """
        malformed_paths = frozenset(path for path in self._refused if path is not None)
        nameless = self._refused.count(None)
        return Listing(
            tuple(self._rows),
            tuple(self._reasons),
            untold=len(self._refused) - len(self._reasons),
            found=_found(said),
            received=self.count + times_seen,
            distinct=_count_distinct(self._rows, malformed_paths, nameless, seen),
            malformed=malformed_paths,
            nameless=nameless,
            known=known,
            seen=seen,
        )


def joined(listings: Sequence[Listing]) -> Listing:
    """Return what the parts of one question list together; a product in two of them counts once.

    What is known in one and new in the other counts twice.
    """
    if len(listings) == 1:
        return listings[0]
    rows = tuple(row for listing in listings for row in listing.rows)
    known, seen = listings[0].known, _any(listing.seen for listing in listings)
    faults = tuple(fault for listing in listings for fault in listing.faults)
    malformed = frozenset[str]().union(*(listing.malformed for listing in listings))
    nameless = sum(listing.nameless for listing in listings)
    distinct = _count_distinct(rows, malformed, nameless, seen)
    missing = [listing.unlisted for listing in listings]
    # Too few in one part must not hide that there are too many in another.
    unlisted = sum(number for number in missing if number > 0) or sum(missing)
    return Listing(
        rows,
        faults[:MOST_TOLD],
        untold=sum(listing.untold for listing in listings) + len(faults[MOST_TOLD:]),
        found=distinct + unlisted,
        received=distinct,
        distinct=distinct,
        malformed=malformed,
        nameless=nameless,
        known=known,
        seen=seen,
        is_stopped=any(listing.is_stopped for listing in listings),
    )


def _count_distinct(
    rows: Iterable[Row], malformed: frozenset[str], nameless: int, seen: bytes | bytearray
) -> int:
    """Count the products of rows of all kinds."""
    return len(malformed | {row.product.savepath for row in rows}) + nameless + seen.count(1)


def _any(parts: Iterable[bytes]) -> bytes:
    """Return 1 at each place where one of the parts has it."""
    united, size = 0, 0
    for part in parts:
        united, size = united | int.from_bytes(part, "big"), len(part)
    return united.to_bytes(size, "big")


class TooManyRowsError(BadAnswerError):
    """Raised when more rows of an answer are new or changed than are used at once."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the archive lists more than {most} rows at once that are new or changed",
            remedy="Nothing is lost: shorter spans of dates are asked for.",
            code=ErrorCode.ARCHIVE_CUT,
        )


def _found(said: object) -> int | None:
    """Return the number of images that a message speaks of, where it does."""
    match = _FOUND.search(said) if isinstance(said, str) else None
    return int(match[1]) if match else None


def _savepath(raw: object) -> str | None:
    """Return the savepath of a row that cannot be used, if it has one."""
    path = raw.get("savepath") if isinstance(raw, Mapping) else None
    return path if isinstance(path, str) and path else None


def rows_of_table(table: object) -> Sequence[object]:
    """Return the rows of a table that is no list of rows: a mapping of columns.

    Raises
    ------
    BadAnswerError
        If it is no table.
    """
    if isinstance(table, Mapping):
        return _transposed(table)
    raise _no_table(f"has no table in it, but {_in_json(table)}")


def _transposed(columns: Mapping[str, Any]) -> Sequence[object]:
    """Turn columns into rows: lists of one length, or mappings by row label as pandas writes them.

    As pandas does, take a label that a column lacks for a missing value, and a column that is
    neither for one value of all rows.
    """
    if all(isinstance(column, Mapping) for column in columns.values()):
        labels = dict.fromkeys(label for column in columns.values() for label in column)
        return [{name: columns[name].get(label) for name in columns} for label in labels]
    lengths = {len(column) for column in columns.values() if isinstance(column, list)}
    if len(lengths) != 1 or any(isinstance(column, Mapping) for column in columns.values()):
        raise _no_table("is a table whose columns are not of one length")
    (length,) = lengths
    filled = {
        name: column if isinstance(column, list) else [column] * length
        for name, column in columns.items()
    }
    return [dict(zip(filled, values, strict=True)) for values in zip(*filled.values(), strict=True)]


def _no_table(what: str) -> BadAnswerError:
    return BadAnswerError(
        f"the answer to a query {what}",
        remedy="Try again later; if it stays so, the observatory has changed its API.",
        code=ErrorCode.ARCHIVE_ANSWER,
    )


def _in_json(value: object) -> str:
    """Return in words what a value of JSON that is no object is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a number"


def _row(raw: object, query: Query, fingerprint: int | None) -> Row:
    if not isinstance(raw, Mapping):
        raise _MalformedRowError(f"it is {_in_json(raw)}, not a row")
    ra, dec = position_on_sky(_number(raw, "ra"), _number(raw, "dec"))
    nightdate = _shared_text(raw, "nightdate")
    return Row(
        product=_product(raw, query, nightdate),
        program=_shared_text(raw, "progname") or query.subject.program,
        nightdate=nightdate,
        target=_shared_text(raw, "targname"),
        ra=ra,
        dec=dec,
        fid=_whole(raw, "fid"),
        utctime=_text(raw, "utctime"),
        fieldid=_whole(raw, "fieldid"),
        lastmodified=_text(raw, "lastmodified"),
        pipeversion=_shared_text(raw, "pipeversion"),
        extra=_extra(raw, query),
        fingerprint=fingerprint,
    )


def _product(raw: Mapping[str, Any], query: Query, nightdate: str | None) -> Product:
    savepath = raw.get("savepath")
    if not isinstance(savepath, str) or not savepath or savepath.endswith("/"):
        raise _MalformedRowError(f"its savepath is {str(savepath)[:_SHOWN]!r}")
    if len(savepath) > _LONGEST_SAVEPATH:
        raise _MalformedRowError(f"its savepath is longer than {_LONGEST_SAVEPATH} characters")
    if not savepath.isascii() and valid_unicode(savepath) != savepath:
        raise _MalformedRowError(f"its savepath is no Unicode text: {savepath[:_SHOWN]!r}")
    night = night_of(savepath, nightdate)
    if night is None:
        raise _MalformedRowError(f"nothing shows the night of {savepath[:_SHOWN]!r}")
    return Product(query.subject.instrument, savepath, query.subject.image_type, night)


def _extra(raw: Mapping[str, Any], query: Query) -> Mapping[str, Any]:
    """Keep the columns we do not know, and a type that contradicts the query."""
    image_type = raw.get("image_type")
    is_as_asked = image_type is None or image_type == query.subject.image_type
    if is_as_asked and raw.keys() <= _COLUMNS:
        return _NOTHING
    return MappingProxyType(
        {
            column: value
            for column, value in raw.items()
            if column not in _COLUMNS or (column == "image_type" and not is_as_asked)
        }
    )


def _text(raw: Mapping[str, Any], column: str) -> str | None:
    value = raw.get(column)
    if type(value) is str and value.isascii() and len(value) <= _LONGEST_TEXT:
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return valid_unicode(str(value)[:_LONGEST_TEXT])


def _shared_text(raw: Mapping[str, Any], column: str) -> str | None:
    """Return a text that many rows have, and that is kept once."""
    text = _text(raw, column)
    return None if text is None else intern(text)


def _number(raw: Mapping[str, Any], column: str) -> float | None:
    if type(value := raw.get(column)) is float and math.isfinite(value):
        return value
    try:
        value = float(raw[column])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _whole(raw: Mapping[str, Any], column: str) -> int | None:
    if type(whole := raw.get(column)) is int and abs(whole) < _EXACT:
        return whole
    value = _number(raw, column)
    return int(value) if value is not None and abs(value) < _BEYOND_SQL else None


class _MalformedRowError(Exception):
    """A row that cannot be used."""
