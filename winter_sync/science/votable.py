"""Tables as VOTable 1.4 (TABLEDATA), a row at a time.

Written by hand because astropy keeps a table whole; the words are those of "VOTable Format
Definition 1.4" (IVOA Recommendation, 21 October 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from winter_sync.science.columns import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from winter_sync.science.columns import Column, Value

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/>
<COOSYS ID="ICRS" system="ICRS"/>
<TIMESYS ID="UTC" timeorigin="MJD-origin" timescale="UTC" refposition="TOPOCENTER"/>
<TABLE>
"""
"""The frames of positions and times, and the status that a result of a query must have (DALI)."""
_TAIL = "</TABLEDATA>\n</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
_TYPES: dict[Kind, dict[str, str]] = {
    # `char` holds ASCII alone.
    Kind.TEXT: {"datatype": "unicodeChar", "arraysize": "*"},
    Kind.TIME: {"datatype": "char", "arraysize": "*", "xtype": "timestamp"},
    Kind.INTEGER: {"datatype": "long"},
    Kind.REAL: {"datatype": "double"},
}


def write_votable(
    columns: Sequence[Column], rows: Iterable[Sequence[Value]], output: BinaryIO
) -> None:
    """Write a VOTable; null is an empty cell, for every type of data since version 1.3."""
    output.write(_HEAD.encode())
    output.writelines("".join(_field(column)).encode() for column in columns)
    output.write(b"<DATA>\n<TABLEDATA>\n")
    output.writelines(("<TR>" + "".join(map(_cell, row)) + "</TR>\n").encode() for row in rows)
    output.write(_TAIL.encode())


def _field(column: Column) -> Iterator[str]:
    words = {
        "name": column.name,
        **_TYPES[column.kind],
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
