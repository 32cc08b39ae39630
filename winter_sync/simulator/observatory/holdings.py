"""The products of a visit: their names, and when they appear in the archive."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from winter_sync.core import ImageType, Instrument, Product
from winter_sync.simulator.sky.ephemeris import PALOMAR_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.simulator.observatory.observing import Dither, Visit

RAW_ROOT = "/data/loki/raw_data"
DATA_ROOT = "/data/loki/data"
COLOUR_SUBDIR = "processed_after_psf_with_color"
"""Where SPRING's stacks with a colour term are, under the basenames of the others."""

_CAMERAS = {Instrument.WINTER: "WINTERcamera", Instrument.SPRING: "SPRINGCamera"}
_SUFFIXES = {
    ImageType.RAW: ".fits",
    ImageType.SCIENCE: ".fits",
    ImageType.STACK: "_stack.fits",
    ImageType.DIFF: "_stack.diff.fits",
    ImageType.AVRO: "_stack.diff.avro",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """One product of the archive and its planned history.

    `dither` is the (first contributing) exposure; `board` is None for whole exposures.
    `gone_at` is when the file is deleted though the listing keeps it.
    """

    product: Product
    visit: Visit
    dither: Dither
    board: int | None
    listed_at: datetime
    ingested_at: datetime | None
    gone_at: datetime | None = None

    @property
    def contributing(self) -> tuple[Dither, ...]:
        """The exposures that are combined: the one it is named after, and all later ones."""
        return self.visit.dithers[self.dither.number - 1 :]

    @property
    def exposure_path(self) -> str:
        """The savepath of the exposure that it is named after."""
        return savepath(self.visit, ImageType.EXPOSURE, self.dither.start, None)

    @property
    def exposure(self) -> str:
        """The file name of the exposure that it is named after."""
        return self.exposure_path.rpartition("/")[2]


def name_of(instrument: Instrument, start: datetime) -> str:
    """Return the stem all products of an exposure share (winter-api.md, "Products")."""
    stamp = f"{start:%Y%m%d-%H%M%S}-{start.microsecond // 1000:03d}"
    return f"{_CAMERAS[instrument]}_{stamp}"


def savepath(
    visit: Visit, image_type: ImageType, start: datetime, board: int | None, subdir: str = ""
) -> str:
    """Return where the archive keeps a product of a visit (winter-api.md, "Products").

    WINTER's names are documented. SPRING has one detector and no board in its names, so its
    exposures and raw images share their basenames.
    """
    stem = name_of(visit.instrument, start)
    root = RAW_ROOT if image_type is ImageType.EXPOSURE else DATA_ROOT
    subdir = subdir or image_type.for_camera(visit.instrument).directory
    directory = f"{root}/{visit.instrument}/{visit.night}/{subdir}"
    if visit.instrument is Instrument.WINTER:
        stem += "_mef" if board is None else f"_mef_{board}_0_0"
    prefix = "temp_" if image_type is ImageType.SCIENCE else ""
    return f"{directory}/{prefix}{stem}{_SUFFIXES.get(image_type, '.fits')}"


def holdings_of(visit: Visit, seed: int, gone_fraction: float) -> Iterator[Holding]:
    """Return the products of a visit in the order the pipeline makes them, with their times."""
    wanted = visit.image_types
    everything = _everything(visit, seed, gone_fraction)
    return (holding for holding in everything if holding.product.image_type in wanted)


def _everything(visit: Visit, seed: int, gone_fraction: float) -> Iterator[Holding]:
    chance = random.Random(f"{seed}/delays/{visit.key}")  # noqa: S311 - a simulation
    times = _Times.of(visit, chance)
    for dither in visit.dithers:
        yield _holding(visit, ImageType.EXPOSURE, dither, None, times)
    boards = visit.recorded if visit.instrument is Instrument.WINTER else visit.boards
    for dither in visit.dithers:
        for board in boards:
            yield _holding(visit, ImageType.RAW, dither, board, times)
    for dither in visit.dithers:
        for board in visit.boards:
            gone = chance.random() < gone_fraction
            yield _holding(visit, ImageType.SCIENCE, dither, board, times, gone=gone)
    yield from _combined(visit, times)


def _combined(visit: Visit, times: _Times) -> Iterator[Holding]:
    first = visit.dithers[0]
    for image_type in (ImageType.STACK, ImageType.DIFF, ImageType.AVRO):
        for board in visit.boards:
            yield _holding(visit, image_type, first, board, times)
    if visit.instrument is Instrument.SPRING and visit.number % 2:
        yield _holding(visit, ImageType.STACK, first, 0, times, subdir=COLOUR_SUBDIR)


def _holding(  # noqa: PLR0913 - a private constructor
    visit: Visit,
    image_type: ImageType,
    dither: Dither,
    board: int | None,
    times: _Times,
    *,
    gone: bool = False,
    subdir: str = "",
) -> Holding:
    path = savepath(visit, image_type, dither.start, board, subdir)
    return Holding(
        product=Product(visit.instrument, path, image_type, visit.night),
        visit=visit,
        dither=dither,
        board=board,
        listed_at=times.listed(image_type, dither),
        ingested_at=times.ingested,
        gone_at=times.stacked if gone else None,
    )


@dataclass(frozen=True, slots=True)
class _Times:
    """When the products of a visit appear; exposures and raw images follow their dither."""

    exposed: timedelta
    unpacked: timedelta
    ingested: datetime | None
    calibrated: datetime
    stacked: datetime
    subtracted: datetime
    packaged: datetime

    @classmethod
    def of(cls, visit: Visit, chance: random.Random) -> _Times:
        """Draw the delays: minutes at night, the rest in the day after, crowded fields later.

        The listing of one visit in six never says when it was ingested.
        """
        exposed = timedelta(seconds=visit.seconds, minutes=chance.uniform(3, 10))
        unpacked = exposed + timedelta(minutes=chance.uniform(10, 30))
        calibrated = _morning_after(visit) + timedelta(hours=chance.uniform(0, 5))
        crowded = visit.number % 5 == 4  # noqa: PLR2004 - one in five
        wait = chance.uniform(36, 84) if crowded else chance.uniform(0.3, 1.5)
        stacked = calibrated + timedelta(hours=wait)
        subtracted = stacked + timedelta(minutes=chance.uniform(10, 40))
        packaged = subtracted + timedelta(minutes=chance.uniform(5, 20))
        ingested = None if visit.number % 6 == 5 else visit.dithers[0].start + unpacked  # noqa: PLR2004
        return cls(exposed, unpacked, ingested, calibrated, stacked, subtracted, packaged)

    def listed(self, image_type: ImageType, dither: Dither) -> datetime:
        """Return when a product of this type, of this dither, enters the listing."""
        if image_type is ImageType.EXPOSURE:
            return dither.start + self.exposed
        if image_type is ImageType.RAW:
            return dither.start + self.unpacked
        return {
            ImageType.SCIENCE: self.calibrated,
            ImageType.STACK: self.stacked,
            ImageType.DIFF: self.subtracted,
            ImageType.AVRO: self.packaged,
        }[image_type]


def _morning_after(visit: Visit) -> datetime:
    day = visit.night.day + timedelta(days=1)
    return datetime.combine(day, time(8), PALOMAR_ZONE).astimezone(UTC)
