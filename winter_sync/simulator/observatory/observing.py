"""The observations of a night: visits to targets, dithered, in the dark hours only."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from winter_sync.core import NO_SURVEY_FIELD, ImageType, Instrument, Night
from winter_sync.simulator.observatory.detectors import nominal_place
from winter_sync.simulator.observatory.filters import filters_of, number_of
from winter_sync.simulator.sky.ephemeris import altitude, dark_hours, sidereal_time
from winter_sync.simulator.sky.tangent import on_sky

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

WINTER_BOARDS = (1, 2, 3, 4, 5, 6)
"""The boards of recent nights (winter-api.md, "Boards, filters and positions")."""
REDUCED_BOARDS = (1, 2, 3, 4, 5)
"""The boards that the pipeline reduces, unless a campaign says otherwise."""
BOARDS_IN_OUTAGE = (1, 2, 3)
"""What is left of an exposure of which three boards are missing (winter-api.md, "Boards, filters
and positions")."""
BEST_BOARD = 2
"""The board that targets are put on, as the stacks of known ones show."""

_EXPOSURE_SECONDS = {Instrument.WINTER: 120.0, Instrument.SPRING: 60.0}
_OVERHEAD = 12.0
_TARGETS_A_PROGRAM = 24
_SURVEY_FIELDS = 41_170
DITHER_ARCSECONDS = 30.0
_NIGHTS_BETWEEN_OUTAGES = 3
_OFF_CENTRE = (0.01, -0.02)
_DITHER_DEGREES = DITHER_ARCSECONDS / 3600.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a program observes in each of its nights: how many visits, with which camera."""

    program: str
    instrument: Instrument = Instrument.WINTER
    visits: int = 1
    dithers: int = 4
    boards: tuple[int, ...] = REDUCED_BOARDS
    image_types: tuple[ImageType, ...] = tuple(ImageType)
    has_outages: bool = False
    """Whether in one night of three the last visit's exposures lack boards."""


@dataclass(frozen=True, slots=True)
class Dither:
    """One exposure of a visit; `ra` and `dec` are its pointing in degrees."""

    number: int
    start: datetime
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One dither set at one position on the sky.

    Parameters
    ----------
    key
        Distinguishes it from all others.
    night, number
        When it was made: in which night, and as which visit of it.
    program, instrument
        For whom, and with which camera.
    target, field_id
        The name of what was requested, or a survey field.
    filter_name
        The archive's name of the filter.
    seconds
        The time of one exposure.
    ra, dec
        The pointing around which it was dithered, degrees.
    source
        Where the target is, degrees; None for a survey field.
    dithers
        Its exposures.
    boards
        The boards that the pipeline reduces.
    recorded
        The boards that are in its exposures: not always all.
    image_types
        The types of products that the archive lists of it.
    shift
        How far all boards are from their usual places, in degrees east and north.
    """

    key: str
    night: Night
    number: int
    program: str
    instrument: Instrument
    target: str | None
    field_id: int
    filter_name: str
    seconds: float
    ra: float
    dec: float
    source: tuple[float, float] | None
    dithers: tuple[Dither, ...]
    boards: tuple[int, ...]
    image_types: tuple[ImageType, ...] = tuple(ImageType)
    shift: tuple[float, float] = (0.0, 0.0)
    recorded: tuple[int, ...] = WINTER_BOARDS

    @property
    def fid(self) -> int:
        """The number of its filter in the archive's listings."""
        return number_of(self.instrument, self.filter_name)


def observe(night: Night, campaigns: Sequence[Campaign], seed: int) -> Iterator[Visit]:
    """Return the visits of a night in the order of time; the same seed gives the same visits."""
    wanted = _interleaved(campaigns)
    begin, end = dark_hours(night)
    length = (end - begin) / max(len(wanted), 1)
    turns = Counter[Campaign]()
    for number, campaign in enumerate(wanted):
        turns[campaign] += 1
        visit = _visit(_Slot(night, number, begin + length * number, length), campaign, seed)
        is_last = turns[campaign] == campaign.visits
        yield _without_boards(visit) if is_last and _has_outage(night, campaign) else visit


def _has_outage(night: Night, campaign: Campaign) -> bool:
    is_due = night.day.toordinal() % _NIGHTS_BETWEEN_OUTAGES == 0
    return campaign.has_outages and campaign.instrument is Instrument.WINTER and is_due


def _without_boards(visit: Visit) -> Visit:
    boards = tuple(board for board in visit.boards if board in BOARDS_IN_OUTAGE)
    return replace(visit, boards=boards, recorded=BOARDS_IN_OUTAGE)


def _interleaved(campaigns: Sequence[Campaign]) -> list[Campaign]:
    rounds = max((campaign.visits for campaign in campaigns), default=0)
    return [campaign for turn in range(rounds) for campaign in campaigns if turn < campaign.visits]


class _Slot(NamedTuple):
    """The part of a night that belongs to one visit."""

    night: Night
    number: int
    begin: datetime
    length: timedelta


def _visit(slot: _Slot, campaign: Campaign, seed: int) -> Visit:
    night, number = slot.night, slot.number
    key = f"{night}/{number:04d}"
    chance = random.Random(f"{seed}/visit/{key}/{campaign.program}")  # noqa: S311 - a simulation
    cadence = min(
        timedelta(seconds=_EXPOSURE_SECONDS[campaign.instrument] + _OVERHEAD),
        slot.length / campaign.dithers,
    )
    begin = slot.begin + chance.random() * (slot.length - cadence * campaign.dithers)
    target, field_id, ra, dec = _aim(number, campaign.program, begin, seed, chance)
    source = None if target is None else (round(ra, 6), round(dec, 6))
    if source is not None:
        ra, dec = pointing_at(source, campaign.instrument)
    return Visit(
        key=key,
        night=night,
        number=number,
        program=campaign.program,
        instrument=campaign.instrument,
        target=target,
        field_id=field_id,
        filter_name=chance.choice(filters_of(campaign.instrument)),
        seconds=round(cadence.total_seconds() * 0.9, 1),
        ra=ra,
        dec=dec,
        source=source,
        dithers=tuple(_dithers(campaign.dithers, begin, cadence, (ra, dec), chance)),
        boards=campaign.boards if campaign.instrument is Instrument.WINTER else (0,),
        image_types=campaign.image_types,
    )


def _off_board(instrument: Instrument) -> tuple[float, float]:
    """Return where targets are put, in degrees east and north of the pointing.

    The gap between WINTER's boards is in the middle of its field: so a target is not where the
    telescope points, but near the middle of one board.
    """
    east, north = nominal_place(instrument, BEST_BOARD)
    return east + _OFF_CENTRE[0], north + _OFF_CENTRE[1]


def pointing_at(source: tuple[float, float], instrument: Instrument) -> tuple[float, float]:
    """Return the pointing that puts a source on the best board, degrees."""
    east, north = _off_board(instrument)
    ra, dec = on_sky(*source, -east, -north)
    return round(ra, 6) % 360.0, round(dec, 6)


def _aim(
    number: int, program: str, begin: datetime, seed: int, chance: random.Random
) -> tuple[str | None, int, float, float]:
    """Choose a target that is up; every fourth visit is of a survey field and has no name."""
    if number % 4 == 3:  # noqa: PLR2004 - said in the docstring
        ra = (sidereal_time(begin) + chance.uniform(-20.0, 20.0)) % 360.0
        return None, chance.randrange(1, _SURVEY_FIELDS), ra, chance.uniform(0.0, 60.0)
    targets = _targets(program, seed)
    up = sorted(targets, key=lambda target: -altitude(begin, target[1], target[2]))
    name, ra, dec = chance.choice(up[:3])
    return name, NO_SURVEY_FIELD, ra, dec


def _targets(program: str, seed: int) -> list[tuple[str, float, float]]:
    """Return the program's targets, all round the sky so that some are always up."""
    chance = random.Random(f"{seed}/targets/{program}")  # noqa: S311 - a simulation
    targets = []
    for index in range(_TARGETS_A_PROGRAM):
        prefix = chance.choice(("SN", "AT", "ZTF"))
        letters = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=3))
        ra = (360.0 * (index + chance.random())) / _TARGETS_A_PROGRAM
        targets.append((f"{prefix}{program[:4]}{letters}", ra, chance.uniform(5.0, 60.0)))
    return targets


def _dithers(
    count: int,
    begin: datetime,
    cadence: timedelta,
    centre: tuple[float, float],
    chance: random.Random,
) -> Iterator[Dither]:
    for number in range(1, count + 1):
        start = begin + cadence * (number - 1)
        # File names carry milliseconds, so that is all a start can have.
        start = start.replace(microsecond=start.microsecond // 1000 * 1000)
        shift = chance.uniform(-1.0, 1.0) * _DITHER_DEGREES, chance.uniform(-1.0, 1.0)
        ra = round((centre[0] + shift[0]) % 360.0, 6)
        yield Dither(number, start, ra, round(centre[1] + shift[1] * _DITHER_DEGREES, 6))
