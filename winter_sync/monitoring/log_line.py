"""A line of the event log: its level, its name and its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from winter_sync.core import ErrorCode

NAMED = 5
"""How many of a multitude are named in one line; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: its level, its name, and its fields."""

    level: Literal["debug", "info", "warning", "error", "critical"]
    name: str
    fields: dict[str, object]


def coded(code: ErrorCode | None) -> dict[str, object]:
    """Return the field of an error's code, if it has one."""
    return {} if code is None else {"code": code.value}


def debug(name: str, **fields: object) -> tuple[Line, ...]:
    """Return one line of the level debug."""
    return (Line("debug", name, fields),)


def info(name: str, **fields: object) -> tuple[Line, ...]:
    """Return one line of the level info."""
    return (Line("info", name, fields),)


def warning(name: str, **fields: object) -> tuple[Line, ...]:
    """Return one line of the level warning."""
    return (Line("warning", name, fields),)


def error(name: str, **fields: object) -> tuple[Line, ...]:
    """Return one line of the level error."""
    return (Line("error", name, fields),)
