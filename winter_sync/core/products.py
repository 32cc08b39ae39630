"""Products of the cameras: nights, rows of listings, and where each product stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.core.marks import Marks
    from winter_sync.core.traits import ImageType, Instrument


NO_SURVEY_FIELD = 999_999_999
"""The `fieldid` of a pointing that belongs to no survey field (winter-api.md, "Endpoints")."""


_TIMESTAMP = re.compile(r"_(\d{8})-(\d{6})-(\d{3})(?=[_.])")


_NIGHT_DIGITS = 8


_PALOMAR_NIGHT_STARTS_UTC = timedelta(hours=16)


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
        try:
            date.fromisoformat(self.name)
        except ValueError:
            raise ValueError(
                f"a night is a date, YYYYMMDD: {self.name} is not a valid date"
            ) from None

    def __str__(self) -> str:
        """Return the eight digits."""
        return self.name

    @property
    def day(self) -> date:
        """The calendar date of the local evening."""
        return date(int(self.name[:4]), int(self.name[4:6]), int(self.name[6:]))

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the night that begins on the evening of a local calendar date."""
        return cls(day.isoformat().replace("-", ""))

    @classmethod
    def at(cls, instant: datetime) -> Self:
        """Return the night an instant belongs to.

        A night directory holds 08:00 to 07:59 local time. Counted with the offset of standard
        time all year (16:00 UTC to 15:59), which moves only daytime frames.
        """
        return cls.of((instant.astimezone(UTC) - _PALOMAR_NIGHT_STARTS_UTC).date())

    def plus(self, days: int) -> Night:
        """Return the night this many days later (or earlier, when negative)."""
        return Night.of(self.day + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class Product:
    """One file the archive lists; its identity is (instrument, savepath)."""

    instrument: Instrument
    savepath: str
    image_type: ImageType
    night: Night

    @property
    def identity(self) -> tuple[Instrument, str]:
        """What distinguishes this product from every other."""
        return self.instrument, self.savepath

    @property
    def filename(self) -> str:
        """The last part of the savepath."""
        return self.savepath.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Row:
    """One listing of a product under one program, as the archive gave it.

    `utctime` is kept as text and never computed with: it is wrong by the Pacific offset
    (winter-api.md, "Nights and times"). `extra` holds the columns we do not know. `fingerprint` is
    that of its text (`winter_sync.core.fingerprint`); None where it is not one text of its own.
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
    fingerprint: int | None = field(default=None, compare=False, repr=False)


@lru_cache(4096)
def date_text(nightdate: str | None) -> str | None:
    """Return a date as text that sorts as dates do, however it was listed; None if invalid."""
    digits = (nightdate or "").strip()[:10].replace("-", "")[:8]
    try:
        return date.fromisoformat(digits).isoformat()
    except ValueError:
        return None


def exposure_time(filename: str) -> datetime | None:
    """Return the UTC start of the exposure that a file is named after; None if it names none.

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
    """Return the night of a product: its directory, its name's time, or `nightdate` - 1.

    The order is winter-api.md's ("Nights and times"). None when nothing shows it.
    """
    directory, _, filename = savepath.rpartition("/")
    if (night := _night_of_directory(directory)) is not None:
        return night
    try:
        if (instant := exposure_time(filename)) is not None:
            return Night.at(instant)
        night = _night((nightdate or "")[:10].replace("-", ""))
        return night.plus(-1) if night is not None else None
    except OverflowError:  # nothing is before the first day of the year 1
        return None


@lru_cache(256)
def _night_of_directory(directory: str) -> Night | None:
    """Return the night that is named last; there are few directories, with many products each."""
    nights = map(_night, reversed(directory.split("/")))
    return next((night for night in nights if night is not None), None)


def _night(text: str) -> Night | None:
    if len(text) != _NIGHT_DIGITS:  # most parts of a path are something else
        return None
    try:
        return Night(text)
    except ValueError:
        return None


class State(StrEnum):
    """Where a product stands between the archive's listing and the tree."""

    WANTED = "wanted"
    """Listed and not fetched yet."""
    PUBLISHED = "published"
    """In the tree: whole, checked and durable."""
    MISSING = "missing"
    """Listed, but the server said that it has no file now; asked for again at long intervals."""


class Damage(StrEnum):
    """What is wrong with a file that the catalog says is in the tree."""

    MISSING = "missing"
    """There is no file."""
    CHANGED = "changed"
    """It is not the file that was published: other content, size, time or kind of file."""


@dataclass(frozen=True, slots=True)
class KnownProduct:
    """What the catalog knows of a product that a poll may have listed."""

    product: Product
    state: State
    settled_marks: Marks
    """All marks under which it was published or found missing."""
    withdrawn: bool
    """Whether it had vanished from every listing."""
    number: int = field(default=0, compare=False, repr=False)
    """Its number in the catalog."""
