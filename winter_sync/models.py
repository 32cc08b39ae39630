"""The words of the mirror as frozen types: what the other modules speak of, without any I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_SURVEY_FIELD = 999_999_999
"""The `fieldid` of a pointing that belongs to no survey field (winter-api.md, "Endpoints")."""

_TIMESTAMP = re.compile(r"_(\d{8})-(\d{6})-(\d{3})(?=[_.])")
_NIGHT_DIGITS = 8
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
        try:
            date.fromisoformat(self.name)
        except ValueError:
            raise ValueError(f"a night is a date, YYYYMMDD, and {self.name} is none") from None

    def __str__(self) -> str:
        """Give the eight digits."""
        return self.name

    @property
    def day(self) -> date:
        """The calendar date of the local evening."""
        return date(int(self.name[:4]), int(self.name[4:6]), int(self.name[6:]))

    @classmethod
    def of(cls, day: date) -> Self:
        """Give the night that begins on the evening of a local calendar date."""
        return cls(day.isoformat().replace("-", ""))

    @classmethod
    def at(cls, instant: datetime) -> Self:
        """Give the night an instant belongs to.

        A night directory holds 08:00 to 07:59 local time. Counted with the offset of standard
        time all year (16:00 UTC to 15:59), which moves only daytime frames.
        """
        return cls.of((instant.astimezone(UTC) - _PALOMAR_NIGHT_STARTS_UTC).date())

    def plus(self, days: int) -> Night:
        """Give the night so many days later (or earlier, when negative)."""
        return Night.of(self.day + timedelta(days=days))


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
class Rhythm:
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
    def subjects(self) -> tuple[Subject, ...]:
        """Everything there is to ask for, in the order of the instruments and the types."""
        return tuple(
            Subject(self.program, instrument, image_type, region)
            for instrument in self.instruments
            for image_type in self.image_types
            for region in self.regions or (None,)
        )


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
    try:
        if (instant := exposure_time(filename)) is not None:
            return Night.at(instant)
        night = _night((nightdate or "")[:10].replace("-", ""))
        return night.plus(-1) if night is not None else None
    except OverflowError:  # nothing is before the first day of the year 1
        return None


def _night(text: str) -> Night | None:
    if len(text) != _NIGHT_DIGITS:  # most parts of a path are something else
        return None
    try:
        return Night(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the archive asks for; printing it shows no secret."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)
    """The API key of each program, by program name."""
    others: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown either, and is not the archive's: a proxy's user and password."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must never be shown."""
        return (self.user, self.password, *self.keys.values(), *self.others)


class State(StrEnum):
    """Where a product stands between the archive's listing and the tree."""

    WANTED = "wanted"
    """Listed and to be fetched, now or at a later time."""
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
class Marks:
    """What listings say of a product's processing: a new value may mean a reprocessed night.

    Both belong to the exposure, not to the product (winter-api.md, "What changes after it was
    listed"). Each is one value, or several, one a line: rows of one product may disagree. Values
    are kept by their meaning (`winter_sync.marks`), so that equal texts are equal marks.
    """

    lastmodified: str | None = None
    pipeversion: str | None = None

    def cover(self, other: Marks) -> bool:
        """Return whether every value of the other marks is among these; an absent one always is."""
        return all(set(_lines(there)) <= set(_lines(here)) for here, there in self._beside(other))

    def united(self, other: Marks) -> Marks:
        """Return the values of both, without repetition; of too many the last are kept."""
        return Marks(*(_joined(_lines(here), _lines(there)) for here, there in self._beside(other)))

    def _beside(self, other: Marks) -> tuple[tuple[str | None, str | None], ...]:
        return (
            (self.lastmodified, other.lastmodified),
            (self.pipeversion, other.pipeversion),
        )


_MARKS_KEPT = 16
"""So many different values of one mark are remembered: more than rows of one product have."""


def _lines(values: str | None) -> list[str]:
    return values.split("\n") if values else []


def _joined(*several: list[str]) -> str | None:
    values = list(dict.fromkeys(value for values in several for value in values))
    return "\n".join(values[-_MARKS_KEPT:]) or None


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows of a product that a poll may have listed."""

    product: Product
    state: State
    settled_marks: Marks
    """All marks under which it was published or found missing."""
    withdrawn: bool
    """Whether it had vanished from every listing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may be fetched now, under a program that lists it."""

    product: Product
    program: str
    path: str
    """Where it is to be in the tree, relative to the root."""
    attempts: int
    marks: Marks
    expected_size: int
    published_sha256: str | None = None
    refused_sha256: str | None = None
    """Content that was refused long enough ago, although no data seem to be missing in it."""
    state: State = State.WANTED
    """Where it stands before it is fetched: wanted, or missing when last asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The products of one download request: one program, instrument and type, no name twice."""

    identifier: str
    candidates: tuple[Candidate, ...]

    @property
    def program(self) -> str:
        """The program whose key is used."""
        return self.candidates[0].program

    @property
    def instrument(self) -> Instrument:
        """The instrument of all its products."""
        return self.candidates[0].product.instrument

    @property
    def image_type(self) -> ImageType:
        """The type of all its products."""
        return self.candidates[0].product.image_type

    @property
    def kind(self) -> tuple[str, Instrument, ImageType]:
        """What all its products have in common."""
        return self.program, self.instrument, self.image_type

    @property
    def expected_size(self) -> int:
        """About how many bytes will arrive."""
        return sum(candidate.expected_size for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof, written before the rename, of what was put into the tree and where.

    `path` and `kept` are relative to the root; `kept` is where an older file of the same path
    went, if there was one. `mtime_ns` is the file's modification time, nanoseconds since 1970;
    None in journals of earlier versions.
    """

    instrument: Instrument
    savepath: str
    path: str
    size: int
    sha256: str
    marks: Marks
    kept: str | None = None
    mtime_ns: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Published:
    """The product is in the tree; `note` says what is odd about it, if something is."""

    candidate: Candidate
    evidence: Evidence
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What came is byte for byte the revision that the tree already holds."""

    candidate: Candidate
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Missing:
    """The server answered and says that it has no such file."""

    candidate: Candidate


class Cause(StrEnum):
    """Why something could not be had, by what there is to do about it; for counting."""

    TRANSIENT = "transient"
    """The server or the wire failed."""
    REFUSED = "refused"
    """A credential was not accepted."""
    BAD_ANSWER = "bad_answer"
    """The answer was not what the archive's contract says."""
    DAMAGED = "damaged"
    """What came was not whole, or not what it says it is."""
    STORAGE = "storage"
    """The disk or the catalog could not do its part."""
    OTHER = "other"
    """None of these, or nobody said."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The product did not come, or not whole.

    `blamed` tells whether the product itself was at fault (its bytes were wrong), rather than
    the batch it travelled in. `refused` tells whether it arrived complete and was refused for what
    it is, so that the archive holds it like that. `sha256` is that of a refused content of which no
    data seem to be missing: if the very same comes again much later, it is all that there is
    (`gate.Fault.leaves_data_whole`). `cause` is for counting: what broke the batch, where the
    product is not to blame.
    """

    candidate: Candidate
    reason: str
    blamed: bool = False
    sha256: str | None = None
    cause: Cause = Cause.OTHER
    refused: bool = False


Outcome = Published | Unchanged | Missing | Failed
