"""Questions to the archive: targets, regions, the dates asked for, and how often to ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from winter_sync.core.traits import Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, timedelta

    from winter_sync.core.products import Night, Row
    from winter_sync.core.traits import ImageType


@dataclass(frozen=True, slots=True)
class Target:
    """A part of a program: what was observed under one target name (at most 30 characters)."""

    name: str


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky; all in degrees, radius at most 90."""

    ra: float
    dec: float
    radius: float = 1.0


_FULL_CIRCLE = 360.0
_FIELD = 1.0
"""Degrees from the pointing: the boards lie within them."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box in right ascension and declination, degrees.

    It goes from `ra_min` eastwards to `ra_max`, over right ascension 0 where `ra_max` is less.
    """

    ra_min: float
    ra_max: float
    dec_min: float
    dec_max: float

    @property
    def parts(self) -> tuple[Rectangle, ...]:
        """The same area in one or two rectangles that the archive understands.

        It takes only rectangles whose maxima are above their minima (winter-api.md, "Endpoints").
        """
        if self.ra_min < self.ra_max:
            return (self,)
        spans = (self.ra_min, _FULL_CIRCLE), (0.0, self.ra_max)
        return tuple(
            Rectangle(low, high, self.dec_min, self.dec_max) for low, high in spans if low < high
        )


Region = Target | Cone | Rectangle
"""What narrows a query within a program; None asks for the whole program."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a query is about, its dates left aside."""

    program: str
    instrument: Instrument
    image_type: ImageType
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the archive's listing.

    `start` and `end` are inclusive UTC dates; an `end` of None means the server's own today,
    which spares us a refusal when the clocks differ.
    """

    subject: Subject
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """How often to look at a subject, how many nights back, and how often at all of it."""

    poll_every: timedelta
    lookback_nights: int
    sweep_every: timedelta


@dataclass(frozen=True, slots=True)
class Selection:
    """What to mirror of one program: every type of every instrument, in all regions together."""

    program: str
    image_types: tuple[ImageType, ...]
    instruments: tuple[Instrument, ...] = (Instrument.WINTER,)
    regions: tuple[Region, ...] = ()
    since: Night | None = None

    @property
    def missed_by_cones(self) -> tuple[ImageType, ...]:
        """The types of which its cones may miss boards that show the place."""
        cones = (region for region in self.regions if isinstance(region, Cone))
        return types_missed_by(cones, self.image_types)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Everything there is to ask for, in the order of the instruments and the types."""
        return tuple(
            Subject(self.program, instrument, image_type, region)
            for instrument in self.instruments
            for image_type in self.image_types
            for region in self.regions or (None,)
        )


def is_target(name: str | None, patterns: Iterable[str]) -> bool:
    """Return whether a target's name is one of these; "*" stands for any text.

    Upper and lower case are the same.
    """
    written = (name or "").lower()
    return any(
        fnmatchcase(written, pattern.lower().replace("[", "[[]").replace("?", "[?]"))
        for pattern in patterns
    )


@dataclass(frozen=True, slots=True)
class Part:
    """What of some nights is wanted: rows of any of these targets, in any of these cones.

    The archive says what is in a cone. Names of targets are compared here: how the archive does
    is not known.
    """

    targets: tuple[str, ...] = ()
    cones: tuple[Cone, ...] = ()

    def __bool__(self) -> bool:
        """Return whether this is less than everything."""
        return bool(self.targets or self.cones)

    def narrow(self, selection: Selection) -> Selection:
        """Return the selection of what to ask the archive for: all of a program, or its cones."""
        return replace(selection, regions=self.cones)

    def region_of(self, query: Query) -> Region | None:
        """Return the region that the wanted rows of an answer are all of."""
        return Target(", ".join(self.targets)) if self.targets else query.subject.region

    def includes(self, row: Row) -> bool:
        """Return whether a row that the archive listed when asked for that is wanted."""
        return not self.targets or is_target(row.target, self.targets)


def types_missed_by(cones: Iterable[Cone], types: Iterable[ImageType]) -> tuple[ImageType, ...]:
    """Return the types of which cones may miss boards that lie inside them.

    Their rows carry the pointing, and a board shows what is up to a degree from it
    (winter-api.md, "Boards, filters and positions").
    """
    if all(cone.radius >= _FIELD for cone in cones):
        return ()
    return tuple(kind for kind in types if kind.traits.is_listed_at_pointing)


@dataclass(frozen=True, slots=True)
class Program:
    """What the archive says of a program that we need: its name and its span of dates."""

    name: str
    start: date | None
    end: date | None
    title: str | None = None
