"""The words of the mirror as frozen types: what the other modules speak of, without any I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

NO_SURVEY_FIELD = 999_999_999
"""The `fieldid` of a pointing that belongs to no survey field (winter-api.md, "Endpoints")."""

_TIMESTAMP = re.compile(r"_(\d{8})-(\d{6})-(\d{3})(?=[_.])")
_PALOMAR_NIGHT_STARTS_UTC = timedelta(hours=16)


class Instrument(StrEnum):
    """A camera whose products the archive serves."""

    WINTER = "winter"
    SPRING = "spring"


class ImageType(StrEnum):
    """A kind of product, in the archive's own words and in the order the pipeline makes them."""

    EXPOSURE = "exposure"
    RAW = "raw"
    SCIENCE = "science"
    STACK = "stack"
    DIFF = "diff"
    AVRO = "avro"

    @property
    def subdir(self) -> str:
        """The directory of this type below a night (winter-api.md, "Products")."""
        return _SUBDIRS[self]

    @property
    def typical_size(self) -> int:
        """About how many bytes one product of this type has (winter-api.md, "Products")."""
        return _TYPICAL_MEGABYTES[self] * 1_000_000


_SUBDIRS = {
    ImageType.EXPOSURE: "raw",
    ImageType.RAW: "raw_unpacked",
    ImageType.SCIENCE: "astrostats",
    ImageType.STACK: "final",
    ImageType.DIFF: "diffs",
    ImageType.AVRO: "avro",
}
_TYPICAL_MEGABYTES = {
    ImageType.EXPOSURE: 52,
    ImageType.RAW: 17,
    ImageType.SCIENCE: 17,
    ImageType.STACK: 10,
    ImageType.DIFF: 16,
    ImageType.AVRO: 10,
}


@dataclass(frozen=True, slots=True, order=True)
class Night:
    """The local evening date at Palomar, 8 digits: the night directory of a savepath."""

    name: str

    def __post_init__(self) -> None:
        """Refuse anything that is not a calendar date.

        Raises
        ------
        ValueError
            If the name is not eight digits that make a date.
        """
        if not re.fullmatch(r"\d{8}", self.name, re.ASCII):
            raise ValueError(f"a night is eight digits, YYYYMMDD, not {self.name!r}")
        datetime.strptime(self.name, "%Y%m%d")  # noqa: DTZ007 - a calendar date has no zone

    def __str__(self) -> str:
        """Give the eight digits."""
        return self.name

    @property
    def date(self) -> date:
        """The calendar date of the local evening."""
        return date(int(self.name[:4]), int(self.name[4:6]), int(self.name[6:]))

    @classmethod
    def of(cls, day: date) -> Self:
        """Give the night that begins on the evening of a local calendar date."""
        return cls(f"{day:%Y%m%d}")

    @classmethod
    def at(cls, instant: datetime) -> Self:
        """Give the night an instant belongs to.

        A night directory holds 08:00 to 07:59 local time. Counted with the offset of standard
        time all year (16:00 UTC to 15:59), which moves only daytime frames.
        """
        return cls.of((instant.astimezone(UTC) - _PALOMAR_NIGHT_STARTS_UTC).date())

    def plus(self, days: int) -> Night:
        """Give the night so many days later (or earlier, when negative)."""
        return Night.of(self.date + timedelta(days=days))


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


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box in right ascension and declination, degrees, each maximum above its minimum."""

    ra_min: float
    ra_max: float
    dec_min: float
    dec_max: float


Region = Target | Cone | Rectangle
"""What narrows a query within a program; None asks for the whole program."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the archive's listing.

    `start` and `end` are inclusive UTC dates; an `end` of None means the server's own today,
    which spares us a refusal when the clocks differ.
    """

    program: str
    instrument: Instrument
    image_type: ImageType
    start: date
    end: date | None = None
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What to mirror of one program: every type of every instrument, in all regions together."""

    program: str
    image_types: tuple[ImageType, ...]
    instruments: tuple[Instrument, ...] = (Instrument.WINTER,)
    regions: tuple[Region, ...] = ()
    since: Night | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """One file the archive lists; its identity is (instrument, savepath)."""

    instrument: Instrument
    savepath: str
    image_type: ImageType
    night: Night

    @property
    def identity(self) -> tuple[Instrument, str]:
        """What tells this product from every other."""
        return self.instrument, self.savepath

    @property
    def filename(self) -> str:
        """The last part of the savepath."""
        return self.savepath.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Row:
    """One listing of a product under one program, as the archive gave it.

    `utctime` is kept as text and never computed with: it is wrong by the Pacific offset
    (winter-api.md, "Nights and times"). `extra` holds the columns we do not know.
    """

    product: Product
    program: str
    nightdate: str | None = None
    target: str | None = None
    ra: float | None = None
    dec: float | None = None
    fid: int | None = None
    utctime: str | None = None
    fieldid: int | None = None
    lastmodified: str | None = None
    pipeversion: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Program:
    """What the archive says of a program that we need: its name and its span of dates."""

    name: str
    start: date | None
    end: date | None
    title: str | None = None


def exposure_time(filename: str) -> datetime | None:
    """Give the UTC start of the exposure that a file is named after, or None if it names none.

    The name's time is right where the listing's `utctime` is not (winter-api.md, "Nights and
    times"); precise to the millisecond.
    """
    match = _TIMESTAMP.search(filename)
    if match is None:
        return None
    try:
        return datetime.strptime("".join(match.groups()), "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def night_of(savepath: str, nightdate: str | None = None) -> Night | None:
    """Give the night of a product: its directory, else its name's time, else `nightdate` - 1.

    The order is winter-api.md's ("Nights and times"). None when nothing tells.
    """
    directory, _, filename = savepath.rpartition("/")
    for part in reversed(directory.split("/")):
        if (night := _night(part)) is not None:
            return night
    if (instant := exposure_time(filename)) is not None:
        return Night.at(instant)
    night = _night((nightdate or "")[:10].replace("-", ""))
    return night.plus(-1) if night is not None else None


def _night(text: str) -> Night | None:
    try:
        return Night(text)
    except ValueError:
        return None
