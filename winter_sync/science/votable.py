"""Tables as VOTable 1.4 (TABLEDATA), a row at a time.

Written by hand because astropy keeps a table whole; the words are those of "VOTable Format
Definition 1.4" (IVOA Recommendation, 21 October 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from winter_sync.core import escape_unprintable
from winter_sync.science.columns import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from winter_sync.science.columns import Column, Value

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
"""
_OK = '<INFO name="QUERY_STATUS" value="OK"/>\n'
"""The status that a result of a query must have (DALI)."""
_FRAMES = """\
<COOSYS ID="ICRS" system="ICRS"/>
<TIMESYS ID="UTC" timeorigin="MJD-origin" timescale="UTC" refposition="TOPOCENTER"/>
"""
"""The frames of positions and times."""
_TAIL = "</RESOURCE>\n</VOTABLE>\n"
VOTABLE_TYPES: Mapping[Kind, Mapping[str, str]] = {
    # `char` holds ASCII alone.
    Kind.TEXT: {"datatype": "unicodeChar", "arraysize": "*"},
    Kind.TIME: {"datatype": "char", "arraysize": "*", "xtype": "timestamp"},
    Kind.INTEGER: {"datatype": "long"},
    Kind.REAL: {"datatype": "double"},
}
"""The attributes of a field, by what its column holds."""


def write_votable(
    columns: Sequence[Column], rows: Iterable[Sequence[Value]], output: BinaryIO
) -> None:
    """Write a VOTable; null is an empty cell, for every type of data since version 1.3."""
    output.write(begin_votable(columns))
    output.writelines(map(_row, rows))
    output.write(end_votable())


def begin_votable(columns: Iterable[Column], protocol: tuple[str, str] | None = None) -> bytes:
    """Return a VOTable up to its first row.

    Parameters
    ----------
    columns
        The columns, in their order.
    protocol
        The name and the version of the service that answers; None where none does.
    """
    named = f"{_OK}{_protocol(*protocol)}" if protocol else _OK
    fields = "".join("".join(_field(column)) for column in columns)
    return f"{_HEAD}{named}{_FRAMES}<TABLE>\n{fields}<DATA>\n<TABLEDATA>\n".encode()


def votable_row(columns: Iterable[Column], row: Mapping[str, object]) -> bytes:
    """Return a row of a VOTable, of values by the names of its columns.

    Raises
    ------
    ValueError
        If a value is not of its column's kind.
    """
    return _row(column.value(row.get(column.name)) for column in columns)


def end_votable(status: str | None = None, said: str = "") -> bytes:
    """Return what follows the last row; with a status of the query and words about it (DALI)."""
    info = _status(status, said) if status else ""
    return f"</TABLEDATA>\n</DATA>\n</TABLE>\n{info}{_TAIL}".encode()


def votable_error(said: str, protocol: tuple[str, str]) -> bytes:
    """Return the answer of a service to a query that cannot be answered."""
    return f"{_HEAD}{_status('ERROR', said)}{_protocol(*protocol)}{_TAIL}".encode()


def _status(status: str, said: str) -> str:
    # XML has no control characters at all.
    words = escape(escape_unprintable(said))
    return f'<INFO name="QUERY_STATUS" value="{status}">{words}</INFO>\n'


def _protocol(name: str, version: str) -> str:
    return f'<INFO name="SERVICE_PROTOCOL" value="{version}">{name}</INFO>\n'


def _row(values: Iterable[Value]) -> bytes:
    return f"<TR>{''.join(map(_cell, values))}</TR>\n".encode()


def _field(column: Column) -> Iterator[str]:
    words = {
        "name": column.name,
        **VOTABLE_TYPES[column.kind],
        "unit": column.unit,
        "ucd": column.ucd,
        "utype": column.utype,
        **({"xtype": column.xtype} if column.xtype else {}),
        "ref": _frame(column),
    }
    yield "<FIELD"
    yield from (f" {word}={quoteattr(value)}" for word, value in words.items() if value)
    if not column.description:
        yield "/>\n"
        return
    yield f"><DESCRIPTION>{escape(column.description)}</DESCRIPTION></FIELD>\n"


def _frame(column: Column) -> str | None:
    """Return which frame a column's numbers are in."""
    ucd = column.ucd or ""
    if ucd.startswith("pos.eq."):
        return "ICRS"
    return "UTC" if ucd.startswith("time.") and column.unit == "d" else None


def _cell(value: Value) -> str:
    if value is None:
        return "<TD/>"
    return f"<TD>{escape(value) if isinstance(value, str) else repr(value)}</TD>"
