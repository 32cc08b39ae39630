"""The messages between the mirror and the process that reads its files: a line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.core import Alert, Facts, Footprint, ImageType, Instrument, Night, Product

if TYPE_CHECKING:
    from winter_sync.catalog import Held

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
    footprints = tuple(
        Footprint(tuple((ra, dec) for ra, dec in each["corners"]), each["extension"])
        for each in facts["footprints"]
    )
    return Read(
        replace(
            Facts(**{**facts, "footprints": footprints}),
            started_at=datetime.fromisoformat(started) if started else None,
        ),
        tuple(Alert(*values) for values in said["alerts"]),
    )


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, allow_nan=False).encode() + b"\n"
