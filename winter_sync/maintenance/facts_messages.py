"""The messages between the mirror and the process that reads its files: a line of JSON each."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from winter_sync.core import Alert, Facts, Footprint, ImageType, Instrument, Night, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.catalog import Held

_Fields = TypeVar("_Fields", Facts, Alert)
_LONGEST = 2000
"""Characters of a text; a note has some hundreds."""
_LARGEST = sys.float_info.max
"""NaN and infinity are not less."""
_BEYOND_SQL = 2**63
_LARGEST_HDU = 1_000_000
_CORNERS = 4
_POLE = 90.0

READY = b'{"ready": true}\n'
"""The first line of the process: it has loaded all that it needs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A file to read: its product, and its path below the root."""

    product: Product
    path: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says: its facts, and those of its alerts that are indexed."""

    facts: Facts
    alerts: tuple[Alert, ...] = ()


def write_request(held: Held) -> bytes:
    """Return the line that asks for the facts of a file."""
    product = held.product
    return _line(
        {
            "instrument": product.instrument.value,
            "savepath": product.savepath,
            "image_type": product.image_type.value,
            "night": product.night.name,
            "path": held.path,
        }
    )


def read_request(line: bytes) -> Asked:
    """Return what a line asks for."""
    said = json.loads(line)
    product = Product(
        Instrument(said["instrument"]),
        said["savepath"],
        ImageType(said["image_type"]),
        Night(said["night"]),
    )
    return Asked(product, said["path"])


def write_answer(read: Read | None) -> bytes:
    """Return the line that answers with what was read; None where a file could not be opened.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    if read is None:
        return _line({"facts": None})
    facts = asdict(read.facts)
    started = read.facts.started_at
    facts["started_at"] = started.isoformat() if started else None
    return _line({"facts": facts, "alerts": [astuple(alert) for alert in read.alerts]})


def read_answer(line: bytes) -> Read | None:
    """Return what an answer says; None if the file could not be opened.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not an answer.
    """
    said = json.loads(line)
    facts: dict[str, Any] | None = said["facts"]
    if facts is None:
        return None
    started = facts["started_at"]
    numbers_and_texts = {**facts, "footprints": (), "started_at": None}
    return Read(
        replace(
            _checked(Facts(**numbers_and_texts)),
            footprints=tuple(map(_footprint, facts["footprints"])),
            started_at=_instant(started) if started else None,
        ),
        tuple(_checked(Alert(*values)) for values in said["alerts"]),
    )


def _checked(said: _Fields) -> _Fields:
    """Return facts or an alert in which everything is of its kind.

    Libraries written in C have been given what the archive sent: after that, nothing that the
    process says is certain, and one odd value would make a whole catalog unreadable.
    """
    for field in fields(said):
        value, kind = getattr(said, field.name), str(field.type).partition(" ")[0]
        if value is not None and kind in _IS_KIND and not _IS_KIND[kind](value):
            raise ValueError(f"{field.name} is no {kind}")
    return said


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return type(value) in {int, float} and abs(value) <= _LARGEST


_IS_KIND: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: type(value) is str and len(value) <= _LONGEST and value.isprintable(),
    "bool": lambda value: type(value) is bool,
    "int": lambda value: type(value) is int and abs(value) < _BEYOND_SQL,
    "float": _is_number,
}


def _footprint(said: dict[str, Any]) -> Footprint:
    """Return a footprint that can be on the sky."""
    extension, corners = said["extension"], tuple((ra, dec) for ra, dec in said["corners"])
    if type(extension) is not int or not 0 <= extension < _LARGEST_HDU or len(corners) != _CORNERS:
        raise ValueError("it is no image")
    if not all(_is_number(at) for corner in corners for at in corner):
        raise ValueError("a corner is no position")
    footprint = Footprint(corners, extension)
    if not footprint.is_convex or any(abs(dec) > _POLE for _, dec in corners):
        raise ValueError("the corners make no image")
    return footprint


def _instant(said: str) -> datetime:
    """Return an instant in UTC."""
    instant = datetime.fromisoformat(said)
    if instant.utcoffset() != timedelta(0):
        raise ValueError("a time is not UTC")
    return instant


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, allow_nan=False).encode() + b"\n"
