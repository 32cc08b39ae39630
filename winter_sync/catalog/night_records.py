"""What the catalog records of the nights of programs, and what identifies one in a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.rows import night_of

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.catalog.records import NightCount
    from winter_sync.catalog.search_records import UserState
    from winter_sync.core import Night, NightHistory, Product

OF_NIGHT = "program = :program AND night = :night"
"""Needs the values of `values_of`."""


@dataclass(frozen=True, slots=True)
class NightOf:
    """A night of one program."""

    program: str
    night: Night


@dataclass(frozen=True, slots=True)
class KindOfNight:
    """How many products of one kind a program lists of a night, by state."""

    program: str
    count: NightCount
    failing: int
    """Those of the wanted that failed before."""
    changed_at: datetime | None
    """When it was last noticed that any of them had changed; None if that is not known."""


@dataclass(frozen=True, slots=True)
class NightRecord:
    """What the catalog knows of a night of a program.

    Parameters
    ----------
    which
        The night.
    kinds
        How many products there are, by camera and type.
    history
        What settles it.
    changes
        How many changes there were.
    shown
        How many its manifest shows; None if it has none.
    content
        The digest of what the last event was about.
    settled_at
        Since when it is settled, by what was last recorded; None while it is not.
    was_settled
        Whether it has ever been.
    is_expected
        Whether a manifest of it was at least begun.
    recorded_as_settled
        Whether the last event found it settled.
    """

    which: NightOf
    kinds: tuple[KindOfNight, ...]
    history: NightHistory
    changes: int
    shown: int | None = None
    content: str | None = None
    settled_at: datetime | None = None
    was_settled: bool = False
    is_expected: bool = False
    recorded_as_settled: bool = False


@dataclass(frozen=True, slots=True)
class SettledNight:
    """A night that is settled, and since when that is recorded."""

    program: str
    night: Night
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class NightFile:
    """A product of a night as a manifest shows it.

    Parameters
    ----------
    product, path
        What it is; where its file is or will be, relative to the root.
    state
        Where it stands, in the words of the user, as the program lists it.
    is_here
        Whether its file is in the tree as it was downloaded; an older content counts, too.
    size, sha256, revision, published_at
        Of the content that was last downloaded.
    target
        As listed.
    """

    product: Product
    path: str
    state: UserState
    is_here: bool
    size: int | None
    sha256: str | None
    revision: int
    published_at: str | None
    target: str | None


def values_of(which: NightOf) -> dict[str, object]:
    """Return what names a night of a program in a query."""
    return {"program": which.program, "night": which.night.name}


def night_of_program(row: dict[str, Any]) -> NightOf:
    """Read which night of which program a row is about."""
    return NightOf(row["program"], night_of(row["night"]))
