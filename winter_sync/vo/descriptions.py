"""What the service says of itself: capabilities, availability and tables, as VOSI 1.1 has them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from winter_sync.science import OBSCORE_COLUMNS, VOTABLE_TYPES

if TYPE_CHECKING:
    from winter_sync.science import Column

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACES = (
    'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_STANDARD = "ivo://ivoa.net/std"


def capabilities(address: str) -> bytes:
    """Return which services there are, and where.

    Parameters
    ----------
    address
        That of the service, such as "http://127.0.0.1:8765/sia2".
    """
    others = "".join(
        _capability(f"{_STANDARD}/VOSI#{name}", f"{address}/{name}", "full")
        for name in ("capabilities", "availability", "tables")
    )
    query = _capability(
        f"{_STANDARD}/SIA#query-2.0", f"{address}/query", "base", "application/x-votable+xml"
    )
    return (
        f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
        f"{_NAMESPACES}>\n{others}{query}</vosi:capabilities>\n"
    ).encode()


def _capability(standard: str, address: str, use: str, kind: str = "text/xml") -> str:
    # The parameters are those of the standard: pyvo warns of a list of them.
    return f"""<capability standardID="{standard}">
<interface xsi:type="vs:ParamHTTP" role="std">
<accessURL use="{use}">{escape(address)}</accessURL>
<queryType>GET</queryType>
<resultType>{kind}</resultType>
</interface>
</capability>
"""


def availability(trouble: str | None) -> bytes:
    """Return whether the service can answer; if not, why."""
    note = f"<vosi:note>{escape(trouble)}</vosi:note>\n" if trouble else ""
    state = "false" if trouble else "true"
    return (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">\n'
        f"<vosi:available>{state}</vosi:available>\n{note}</vosi:availability>\n"
    ).encode()


def tables() -> bytes:
    """Return the columns of an answer."""
    columns = "".join(map(_column, OBSCORE_COLUMNS))
    return (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" '
        f"{_NAMESPACES}>\n<schema><name>ivoa</name>\n<table><name>ivoa.ObsCore</name>\n"
        f"{columns}</table>\n</schema>\n</vosi:tableset>\n"
    ).encode()


def _column(column: Column) -> str:
    words = {
        "name": column.name,
        "description": column.description,
        "unit": column.unit,
        "ucd": column.ucd,
        "utype": column.utype,
    }
    said = "".join(f"<{name}>{escape(word)}</{name}>" for name, word in words.items() if word)
    kind = VOTABLE_TYPES[column.kind]
    size = f' arraysize="{kind["arraysize"]}"' if "arraysize" in kind else ""
    data = f'<dataType xsi:type="vs:VOTableType"{size}>{kind["datatype"]}</dataType>'
    return f"<column>{said}{data}</column>\n"
