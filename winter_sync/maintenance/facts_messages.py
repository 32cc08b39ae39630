"""The messages between the mirror and the process that reads its files: a line of JSON each.

A request has several files, and each has an answer: a process that waits for the other at each file
costs more than most files.
"""

from __future__ import annotations

import json
import sys
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.core import Alert, Facts, Footprint, ImageType, Instrument, Night, Product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from winter_sync.catalog import Held

_LONGEST = 2000
"""Characters of a text; a note has some hundreds."""
_LARGEST = sys.float_info.max
"""NaN and infinity are not less."""
_BEYOND_SQL = 2**63
_LARGEST_HDU = 1_000_000
_CORNERS = 4
_POLE = 90.0

READY = b'{"ready": true}\n'
"""The first line of the process: it has begun."""
NO_ASTROPY = 69
"""How the process ends where an image needs astropy and it cannot be loaded."""


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


def write_request(files: Iterable[Held]) -> bytes:
    """Return the line that asks for the facts of files."""
    return _line([_request(held) for held in files])


def _request(held: Held) -> dict[str, Any]:
    product = held.product
    return {
        "instrument": product.instrument.value,
        "savepath": product.savepath,
        "image_type": product.image_type.value,
        "night": product.night.name,
        "path": held.path,
    }


def read_request(line: bytes) -> list[Asked]:
    """Return what a line asks for."""
    return [_asked(said) for said in json.loads(line)]


def _asked(said: dict[str, Any]) -> Asked:
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
    values = ((name, getattr(read.facts, name)) for name in _FACTS)
    facts = {name: value for name, value in values if value is not None}
    if read.facts.started_at is not None:
        facts["started_at"] = read.facts.started_at.isoformat()
    facts["footprints"] = [
        {"corners": footprint.corners, "extension": footprint.extension}
        for footprint in read.facts.footprints
    ]
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
    _check(facts, _FACTS)
    started = facts.get("started_at")
    return Read(
        Facts(
            **{
                **facts,
                "footprints": tuple(map(_footprint, facts["footprints"])),
                "started_at": _instant(started) if started else None,
            }
        ),
        tuple(map(_alert, said["alerts"])),
    )


def _alert(values: Sequence[Any]) -> Alert:
    _check(dict(zip(_ALERT, values, strict=True)), _ALERT)
    return Alert(*values)


def _check(said: dict[str, Any], kinds: Mapping[str, str]) -> None:
    """Refuse facts or an alert in which anything is not of its kind.

    Libraries written in C have been given what the archive sent: after that, nothing that the
    process says is certain, and one odd value would make a whole catalog unreadable.
    """
    for name, value in said.items():
        is_kind = _IS_KIND.get(kinds[name])
        if value is not None and is_kind is not None and not is_kind(value):
            raise ValueError(f"{name} is no {kinds[name]}")


def _kinds_of(record: type[Facts | Alert]) -> dict[str, str]:
    """Return the kind of value that each field of a record has, by its name."""
    return {field.name: str(field.type).partition(" ")[0] for field in fields(record)}


_FACTS, _ALERT = _kinds_of(Facts), _kinds_of(Alert)


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


def _line(said: object) -> bytes:
    return json.dumps(said, allow_nan=False).encode() + b"\n"
