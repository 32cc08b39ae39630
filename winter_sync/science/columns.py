"""Columns of tables: what each holds, and tables of them as astropy has them.

A value is null where nothing is known: None, NaN, an infinity, or an empty text. No format of
tables keeps these apart, so they are one thing here.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any

from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from astropy.table import QTable

_LARGEST_INTEGER = 2**63 - 1
_SOME_TIME = "2000-01-01T00:00:00.000"
"""Stands where a time is masked."""

Value = str | int | float | None
"""What a cell holds."""


class Kind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    """Unicode text, without the space around it; control characters are written as escapes."""
    INTEGER = "integer"
    """Between -(2^63 - 1) and 2^63 - 1."""
    REAL = "real"
    """A double precision number."""
    TIME = "time"
    """A UTC time: a `datetime` with its offset, or ISO 8601 text; precise to the millisecond."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name
        Its name, also the key of its values in rows.
    kind
        What its values are.
    unit
        As VOUnits and astropy write it, such as "deg"; None for a pure number or text.
    ucd
        The IVOA's word for its meaning (UCD1+), such as "pos.eq.ra;meta.main".
    description
        One sentence.
    utype
        Its place in an IVOA data model, such as "obscore:Target.name".
    xtype
        What a text really is, in the words of DALI or TAP, such as "adql:REGION".
    """

    name: str
    kind: Kind
    unit: str | None = None
    ucd: str | None = None
    description: str = ""
    utype: str | None = None
    xtype: str | None = None

    def value(self, given: object) -> Value:
        """Return a value as a table holds it: null as None, a time as ISO text in UTC.

        Raises
        ------
        ValueError
            If the value is not of the column's kind.
        """
        if given is None:
            return None
        try:
            return _VALUES[self.kind](given)
        except (ValueError, TypeError) as wrong:
            raise ValueError(f"{given!r} in column {self.name} is no {self.kind}") from wrong


def _text(given: Any) -> str | None:  # noqa: ANN401 - whatever a row holds
    # XML has no control characters at all; readers of CSV disagree about lone carriage returns.
    return escape_unprintable(str(given).strip(), keep="\n\t") or None


def _integer(given: Any) -> int:  # noqa: ANN401 - as above
    value = int(given)
    if value != given or abs(value) > _LARGEST_INTEGER:
        raise ValueError(f"{given!r} is no integer of 64 bits")
    return value


def _real(given: Any) -> float | None:  # noqa: ANN401 - as above
    value = float(given)
    return value if isfinite(value) else None


def _time(given: Any) -> str | None:  # noqa: ANN401 - as above
    instant = given if isinstance(given, datetime) else _instant(str(given).strip())
    if instant is None:
        return None
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC).replace(tzinfo=None)
    return instant.isoformat(timespec="milliseconds")


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_VALUES: Mapping[Kind, Callable[[Any], Value]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.REAL: _real,
    Kind.TIME: _time,
}


def make_table(rows: Iterable[Mapping[str, object]], columns: Sequence[Column]) -> QTable:
    """Return rows as an astropy table: units, UCDs and descriptions with it, nulls masked.

    Numbers with a unit are quantities, times are `astropy.time.Time`. A column without nulls has
    no mask.

    Parameters
    ----------
    rows
        The values by the names of the columns; what is absent is null, what is more is left out.
    columns
        The columns, in their order.

    Raises
    ------
    ValueError
        If a value is not of its column's kind.
    """
    from astropy.table import QTable  # noqa: PLC0415 - takes longer than most questions

    values: list[list[Value]] = [[] for _ in columns]
    for row in rows:
        for column, cells in zip(columns, values, strict=True):
            cells.append(column.value(row.get(column.name)))
    table = QTable()
    for column, cells in zip(columns, values, strict=True):
        table[column.name] = _array(column, cells)
        info = table[column.name].info
        info.description = column.description or None
        words = {"ucd": column.ucd, "utype": column.utype, "xtype": column.xtype}
        info.meta = {name: word for name, word in words.items() if word}
    return table


def _array(column: Column, cells: list[Value]) -> Any:  # noqa: ANN401 - astropy has no types
    """Return the values of a column as one of astropy's."""
    match column.kind:
        case Kind.TEXT:
            return _masked(cells, "", "U1" if not any(cells) else None)
        case Kind.TIME:
            return _times(cells)
        case Kind.INTEGER:
            return _numbers(column, cells, "i8")
        case Kind.REAL:
            return _numbers(column, cells, "f8")


def _masked(cells: list[Value], null: Value, dtype: str | None) -> Any:  # noqa: ANN401 - as above
    from astropy.table import Column as Unmasked  # noqa: PLC0415 - see make_table
    from astropy.table import MaskedColumn  # noqa: PLC0415 - as above

    mask = [cell is None for cell in cells]
    filled = [null if cell is None else cell for cell in cells]
    if any(mask):
        return MaskedColumn(filled, mask=mask, dtype=dtype)
    return Unmasked(filled, dtype=dtype)


def _numbers(column: Column, cells: list[Value], dtype: str) -> Any:  # noqa: ANN401 - as above
    from astropy.units import Quantity  # noqa: PLC0415 - as above
    from astropy.utils.masked import Masked  # noqa: PLC0415 - as above

    if column.unit is None:
        return _masked(cells, 0, dtype)
    mask = [cell is None for cell in cells]
    filled = [0 if cell is None else cell for cell in cells]
    quantity = Quantity(filled, column.unit, dtype=dtype)
    return Masked(quantity, mask=mask) if any(mask) else quantity


def _times(cells: list[Value]) -> Any:  # noqa: ANN401 - as above
    import numpy as np  # noqa: PLC0415 - as above
    from astropy.time import Time  # noqa: PLC0415 - as above

    mask = np.array([cell is None for cell in cells], dtype=bool)
    filled = np.array([cell or _SOME_TIME for cell in cells], dtype="U23")
    with _distant_years():
        times = Time(filled, format="isot", scale="utc", precision=3)
    if mask.any():
        times[mask] = np.ma.masked
    return times


@contextmanager
def _distant_years() -> Iterator[None]:
    """Take years whose leap seconds this astropy does not know yet without a warning."""
    from erfa import ErfaWarning  # noqa: PLC0415 - as above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ErfaWarning)
        yield


def rows_of(table: QTable) -> tuple[list[Column], Iterable[Mapping[str, object]]]:
    """Return the columns of an astropy table, and its rows by their names."""
    columns = [_column(table[name]) for name in table.colnames]
    values = [_cells(column, table[column.name]) for column in columns]
    names = [column.name for column in columns]
    rows = (dict(zip(names, cells, strict=True)) for cells in zip(*values, strict=True))
    return columns, rows


def _column(data: Any) -> Column:  # noqa: ANN401 - as above
    info = data.info
    words = info.meta or {}
    unit = getattr(data, "unit", None)
    return Column(
        name=info.name,
        kind=_kind(data),
        unit=unit.to_string("vounit") if unit else None,
        ucd=words.get("ucd"),
        description=info.description or "",
        utype=words.get("utype"),
        xtype=words.get("xtype"),
    )


def _kind(data: Any) -> Kind:  # noqa: ANN401 - as above
    from astropy.time import Time  # noqa: PLC0415 - as above

    if isinstance(data, Time):
        return Kind.TIME
    return {"i": Kind.INTEGER, "u": Kind.INTEGER, "f": Kind.REAL}.get(data.dtype.kind, Kind.TEXT)


def _cells(column: Column, data: Any) -> list[object]:  # noqa: ANN401 - as above
    import numpy as np  # noqa: PLC0415 - as above

    with _distant_years():
        plain = data.isot if column.kind is Kind.TIME else getattr(data, "value", data)
    mask = getattr(plain, "mask", None)
    values: list[object] = np.asarray(getattr(plain, "unmasked", plain)).tolist()
    if mask is None:
        return values
    return [
        None if null else value for value, null in zip(values, np.atleast_1d(mask), strict=True)
    ]
