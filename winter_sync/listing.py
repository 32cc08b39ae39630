"""What the archive's answer to a query says, read liberally: rows out, and what made no sense."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from winter_sync.errors import BadAnswerError
from winter_sync.models import Product, Query, Row, night_of

_COLUMNS = frozenset(
    {
        "progname", "nightdate", "targname", "ra", "dec", "fid", "utctime", "fieldid",
        "image_type", "savepath", "lastmodified", "pipeversion",
    }
)  # fmt: skip
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows that could be used, and for each other one why it could not."""

    rows: tuple[Row, ...]
    faults: tuple[str, ...]


def read_listing(answer: object, query: Query) -> Listing:
    """Read the JSON answer to a query (winter-api.md, "Endpoints").

    `body` may be a list of rows or a mapping of columns. A null or malformed row is left out and
    told; unknown columns are kept in `Row.extra`.

    Raises
    ------
    BadAnswerError
        If there is no table in the answer at all.
    """
    rows: list[Row] = []
    faults: list[str] = []
    for number, raw in enumerate(_raw_rows(answer), start=1):
        try:
            rows.append(_row(raw, query))
        except _MalformedRowError as malformed:
            faults.append(f"row {number}: {malformed}")
    return Listing(tuple(rows), _shortened(faults))


def _raw_rows(answer: object) -> Iterator[object]:
    body = answer.get("body") if isinstance(answer, Mapping) else answer
    if isinstance(body, list):
        return iter(body)
    if isinstance(body, Mapping):
        return _transposed(body)
    raise BadAnswerError(
        f"the answer to a query has no table in it, but {type(body).__name__}",
        remedy="Try again later; if it stays so, the observatory has changed its API.",
    )


def _transposed(columns: Mapping[str, Any]) -> Iterator[object]:
    """Turn columns, each a list or a mapping by row label (as pandas writes them), into rows."""
    table = {
        name: list(column.values()) if isinstance(column, Mapping) else column
        for name, column in columns.items()
    }
    lengths = {len(column) for column in table.values() if isinstance(column, list)}
    if len(lengths) > 1 or any(not isinstance(column, list) for column in table.values()):
        raise BadAnswerError(
            "the answer to a query is a table whose columns are not of one length",
            remedy="Try again later; if it stays so, the observatory has changed its API.",
        )
    for values in zip(*table.values(), strict=True):
        yield dict(zip(table, values, strict=True))


def _row(raw: object, query: Query) -> Row:
    if not isinstance(raw, Mapping):
        raise _MalformedRowError(f"it is {type(raw).__name__}, not a row")
    return Row(
        product=_product(raw, query),
        program=_text(raw, "progname") or query.subject.program,
        nightdate=_text(raw, "nightdate"),
        target=_text(raw, "targname"),
        ra=_number(raw, "ra"),
        dec=_number(raw, "dec"),
        fid=_whole(raw, "fid"),
        utctime=_text(raw, "utctime"),
        fieldid=_whole(raw, "fieldid"),
        lastmodified=_text(raw, "lastmodified"),
        pipeversion=_text(raw, "pipeversion"),
        extra=MappingProxyType({str(key): raw[key] for key in raw if key not in _COLUMNS}),
    )


def _product(raw: Mapping[str, Any], query: Query) -> Product:
    savepath = raw.get("savepath")
    if not isinstance(savepath, str) or not savepath.rpartition("/")[2]:
        raise _MalformedRowError(f"its savepath is {str(savepath)[:100]!r}")
    night = night_of(savepath, _text(raw, "nightdate"))
    if night is None:
        raise _MalformedRowError(f"nothing tells the night of {savepath[:200]!r}")
    return Product(query.subject.instrument, savepath, query.subject.image_type, night)


def _text(raw: Mapping[str, Any], column: str) -> str | None:
    value = raw.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value)


def _number(raw: Mapping[str, Any], column: str) -> float | None:
    try:
        value = float(raw[column])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _whole(raw: Mapping[str, Any], column: str) -> int | None:
    value = _number(raw, column)
    return int(value) if value is not None and abs(value) < 2**63 else None


def _shortened(faults: list[str]) -> tuple[str, ...]:
    more = len(faults) - _MOST_TOLD
    return (*faults[:_MOST_TOLD], f"and {more} more") if more > 0 else tuple(faults)


class _MalformedRowError(Exception):
    """A row that cannot be used."""
