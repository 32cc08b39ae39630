"""What the catalog is asked for and tells of, as frozen types: scopes, polls, counts, troubles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.models import ImageType, Instrument, Night, Product, Query, State, Subject


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the catalog a run works on.

    An empty tuple means all types, instruments or subjects, but no programs means nothing at all.
    With subjects, a product counts if one of them listed it last.
    """

    programs: tuple[str, ...]
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None
    subjects: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll did, as it is recorded."""

    query: Query
    sweep: bool
    listed: int = 0
    new: int = 0
    changed: int = 0
    returned: int = 0
    withdrawn: int = 0
    faults: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NightCount:
    """How many products of one kind a night has, by state."""

    night: Night
    instrument: Instrument
    image_type: ImageType
    published: int
    wanted: int
    missing: int
    withdrawn: int
    size: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the mirror is, in a few numbers; each product counts in one of them at most.

    What is not here counts only if a given program lists it.
    """

    published: int
    wanted: int
    missing: int
    claimed: int
    """Wanted or missing, and being fetched now."""
    withdrawn: int
    last_night: Night | None
    """The newest night of which anything is listed."""
    last_complete_night: Night | None
    """The newest night of which nothing is wanted."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A product that could not be had yet, and why."""

    product: Product
    state: State
    attempts: int
    not_before: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many products of a state are not asked for yet, and when the first of them will be."""

    state: State
    products: int
    soonest: datetime


@dataclass(frozen=True, slots=True)
class LastPoll:
    """When a program's type was last looked at, and with what result."""

    program: str
    instrument: Instrument
    image_type: ImageType
    at: str
    listed: int
    error: str | None
