"""What the notebooks of the real client found: programs 2024A000 and 2023A002, early in 2024.

What they show is reproduced: counts, times, targets and positions. Where they show nothing (what
else 2024A000 observed between the two targets that they name), the rest is chosen.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from winter_sync.core import NO_SURVEY_FIELD, ImageType, Instrument, Night
from winter_sync.simulator.observatory.detectors import nominal_place
from winter_sync.simulator.observatory.holdings import holdings_of
from winter_sync.simulator.observatory.observing import BEST_BOARD, Dither, Visit, pointing_at
from winter_sync.simulator.sky.tangent import in_plane, on_sky

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winter_sync.simulator.observatory.holdings import Holding

NOTEBOOK_PROGRAM, DOWNLOAD_PROGRAM = "2024A000", "2023A002"
"""The program of the notebook on finding data, and that of the one on downloading them."""
FIRST_TARGET, NAMED_TARGET = "ZTF24aaecooj", "ZTF24aaahxwr"

_FIRST_NIGHT, _LAST_NIGHT = date(2024, 2, 12), date(2024, 2, 25)
_FIRST = (
    ("04:52:16.785", 146.019854, -4.201359),
    ("04:54:23.601", 146.016133, -4.198655),
    ("04:56:31.458", 146.023116, -4.199816),
    ("04:58:37.872", 146.015806, -4.199882),
    ("05:00:46.390", 146.024460, -4.200232),
    ("05:02:53.104", 146.018377, -4.203021),
    ("05:04:59.917", 146.021642, -4.197543),
    ("05:07:07.266", 146.020118, -4.200914),
)
_NAMED = (
    ("07:05:12.022", 150.959558, 17.821544),
    ("07:07:18.828", 150.955612, 17.827066),
    ("07:09:27.282", 150.959431, 17.827930),
    ("07:11:33.850", 150.960072, 17.827518),
    ("07:13:39.990", 150.962810, 17.828061),
    ("07:15:46.646", 150.962152, 17.825389),
    ("07:17:53.285", 150.955162, 17.826848),
    ("07:20:00.358", 150.959309, 17.825813),
)
"""Starts in UTC, and pointings; the notebook's listing is eight hours ahead of the starts
(winter-api.md, "Nights and times"). It shows all but the last three of the first target."""
_DOWNLOAD_START = datetime(2024, 1, 30, 6, 14, 25, 616_000, tzinfo=UTC)
_DOWNLOAD_POINTING = (185.267564, 49.677263)
_DOWNLOAD_BOARDS = (1, 5, 3, 2, 4)
"""In the order of the listing."""
_FIRST_STACK, _NAMED_STACK = (146.3724, -4.437986), (151.28848, 17.529896)
_NAMED_RAWS = {
    _NAMED[0][0]: (2,),
    _NAMED[4][0]: (1, 2, 4, 5),
    _NAMED[5][0]: (1, 2, 3, 4, 5),
}
"""The boards of which there are raw images of the named target, by the start of the exposure."""

_OTHER_TARGETS = (
    ("ZTF24aabqzem", 96.41, 34.27),
    ("ZTF24aacdvsk", 104.88, 21.93),
    ("ZTF24aadmryu", 118.12, 42.05),
    ("ZTF24aafxwpb", 129.57, 28.64),
    ("ZTF24aagnhtc", 137.03, 37.31),
    ("ZTF24aahkjle", 160.26, 24.58),
    ("ZTF24aaipdqo", 168.74, 31.16),
)
_OTHER_VISITS = {
    "20240211": (6.0, 7.0),
    "20240212": (4.5, 6.0, 7.5),
    "20240214": (4.5, 6.0, 7.5),
    "20240216": (4.5, 6.0, 7.5),
    "20240218": (5.0, 7.0),
    "20240220": (5.0, 7.0),
    "20240222": (5.0, 7.0),
    "20240224": (4.5, 6.0),
}
"""The nights, and when the other visits began: hours UTC."""
NOTEBOOK_NIGHTS = (Night.at(_DOWNLOAD_START), *map(Night, _OTHER_VISITS))

_CADENCE = timedelta(seconds=126.7)
_SECONDS = 120.0
_DITHERS, _LAST_DITHERS, _DOWNLOAD_DITHERS = 8, 6, 4
_FILTERS = ("J", "Y", "Hs")
_DITHER_DEGREES = 0.003
_OFF_CENTRE = (0.01, -0.02)


def notebook_holdings(seed: int, gone_fraction: float) -> Iterator[Holding]:
    """Return all products of both programs."""
    for visit in _visits():
        for holding in holdings_of(visit, seed, gone_fraction):
            if _was_found(holding):
                yield replace(holding, ingested_at=None)


def _was_found(holding: Holding) -> bool:
    """Return whether the notebook found a product: of one target it did not find all."""
    found = holding.visit.target != NAMED_TARGET
    match holding.product.image_type:
        case ImageType.EXPOSURE:
            return True
        case ImageType.RAW:
            return found or holding.board in _NAMED_RAWS.get(_start_of(holding.dither), ())
        case _:
            return found or _start_of(holding.visit.dithers[0]) == _NAMED[4][0]


def _start_of(dither: Dither) -> str:
    return dither.start.time().isoformat(timespec="milliseconds")


def _visits() -> list[Visit]:
    visits = [
        _known(FIRST_TARGET, _FIRST_NIGHT, _FIRST, _FIRST_STACK),
        *_other_visits(),
        # Two dither sets: only of the second there is a stack, under the name of its first.
        _known(NAMED_TARGET, _LAST_NIGHT, _NAMED[:4], _NAMED_STACK),
        _known(NAMED_TARGET, _LAST_NIGHT, _NAMED[4:], _NAMED_STACK),
        _downloaded(),
    ]
    return [
        replace(visit, number=number, key=f"{visit.night}/{visit.program}/{number:04d}")
        for number, visit in enumerate(visits)
    ]


def _known(
    target: str,
    day: date,
    exposures: Sequence[tuple[str, float, float]],
    stack: tuple[float, float],
) -> Visit:
    """Return a visit of which the notebook has the stack's position: the boards lie by that."""
    dithers = [
        Dither(number, datetime.combine(day, time.fromisoformat(start), UTC), ra, dec)
        for number, (start, ra, dec) in enumerate(exposures, start=1)
    ]
    pointing = dithers[0].ra, dithers[0].dec
    east, north = in_plane(*pointing, stack)
    usual = nominal_place(Instrument.WINTER, BEST_BOARD)
    source = on_sky(*stack, *_OFF_CENTRE)
    visit = _visit(target, dithers, pointing, (round(source[0], 6), round(source[1], 6)))
    return replace(visit, shift=(east - usual[0], north - usual[1]))


def _downloaded() -> Visit:
    """Return the visit whose five stacks the second notebook downloads; it names no target."""
    name, pointing = DOWNLOAD_PROGRAM, _DOWNLOAD_POINTING
    dithers = list(_dithers(name, _DOWNLOAD_START, _DOWNLOAD_DITHERS, pointing))
    first = replace(dithers[0], start=_DOWNLOAD_START)
    visit = _visit(None, [first, *dithers[1:]], pointing, None)
    return replace(visit, program=name, boards=_DOWNLOAD_BOARDS)


def _other_visits() -> Iterator[Visit]:
    planned = [(night, hour) for night, hours in _OTHER_VISITS.items() for hour in hours]
    for number, (night, hour) in enumerate(planned):
        name, ra, dec = _OTHER_TARGETS[number % len(_OTHER_TARGETS)]
        midnight = datetime.combine(Night(night).day, time(), UTC) + timedelta(days=1)
        begin = midnight + timedelta(hours=hour)
        count = _LAST_DITHERS if number == len(planned) - 1 else _DITHERS
        pointing = pointing_at((ra, dec), Instrument.WINTER)
        visit = _visit(name, list(_dithers(name, begin, count, pointing)), pointing, (ra, dec))
        yield replace(visit, filter_name=_FILTERS[number % len(_FILTERS)])


def _visit(
    target: str | None,
    dithers: Sequence[Dither],
    pointing: tuple[float, float],
    source: tuple[float, float] | None,
) -> Visit:
    return Visit(
        key="",
        night=Night.at(dithers[0].start),
        number=0,
        program=NOTEBOOK_PROGRAM,
        instrument=Instrument.WINTER,
        target=target,
        field_id=NO_SURVEY_FIELD,
        filter_name="J",
        seconds=_SECONDS,
        ra=pointing[0],
        dec=pointing[1],
        source=source,
        dithers=tuple(dithers),
        boards=(BEST_BOARD,),
    )


def _dithers(
    target: str, begin: datetime, count: int, pointing: tuple[float, float]
) -> Iterator[Dither]:
    """Return exposures around a pointing, at the cadence of those that are known."""
    for number in range(1, count + 1):
        start = begin + _CADENCE * (number - 1)
        chance = random.Random(f"{target}/{start}")  # noqa: S311 - a simulation
        start += timedelta(milliseconds=chance.randrange(900))
        ra, dec = (round(value + chance.uniform(-1, 1) * _DITHER_DEGREES, 6) for value in pointing)
        yield Dither(number, start, ra, dec)
