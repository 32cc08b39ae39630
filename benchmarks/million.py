"""Make a mirror whose catalog knows a million products, for benchmarks; no files are made.

Sets of eight dithered exposures, as the cameras take them: WINTER's with six boards each, their raw
and science images, stacks, differences and alerts; SPRING's with one. Half of the sets lie anywhere
above the horizon of Palomar, the others at a hundred targets, a few of which were observed often.
Rows are written straight into the tables that the catalog makes, footprints in the order of time.

    python benchmarks/million.py DIRECTORY [--products 1000000] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.counting import COUNTED
from winter_sync.catalog.packing import pack_day, pack_microseconds, pack_milliseconds
from winter_sync.catalog.values import format_instant, milliseconds
from winter_sync.core import CATALOG
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROGRAMS = ("2024A000", "2024B001", "2025A002")
FILTERS = {"Y": 1, "J": 2, "Hs": 3}
DEPTHS = {"Y": 18.6, "J": 19.0, "Hs": 17.8}
FIRST = Night("20240101")
SETS_A_NIGHT = 14
TARGETS = 100
DITHERS = 8
EXPOSURE_SECONDS = 120.0
OBSERVED_AGAIN = 0.5
"""The part of the sets that are of a target known before; the next two are parts of all sets."""
OF_SPRING = 0.1
SCIENCE_KEPT = 0.4
LOWEST = -30.0
"""Degrees; what is further south does not rise high enough."""
SUFFIXES = {
    ImageType.EXPOSURE: "_mef.fits",
    ImageType.RAW: "_mef_{board}_0_0.fits",
    ImageType.SCIENCE: "_mef_{board}_0_0.fits",
    ImageType.STACK: "_mef_{board}_0_0_stack.fits",
    ImageType.DIFF: "_mef_{board}_0_0_stack.diff.fits",
    ImageType.AVRO: "_mef_{board}_0_0_stack.diff.avro",
}
COMBINED = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO)


Corners = list[list[list[float]]]
"""A coordinate of corners by dither, board and corner, degrees."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How a camera sees: its name in file names, pixels, and where its boards look.

    `boards` are offsets of their centres from the pointing, degrees, east and north.
    """

    name: str
    width: int
    height: int
    scale: float
    boards: tuple[tuple[float, float], ...]


CAMERAS = {
    Instrument.WINTER: Camera(
        "WINTERcamera",
        1984,
        1096,
        1.13,
        tuple((x, y) for x in (-0.315, 0.315) for y in (-0.35, 0.0, 0.35)),
    ),
    Instrument.SPRING: Camera("SPRINGCamera", 1280, 1024, 0.411, ((0.0, 0.0),)),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What was observed, and where it is, in degrees."""

    name: str
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Set:
    """A dither set of one target in one filter."""

    number: int
    instrument: Instrument
    program: str
    target: Target
    filter: str
    night: Night
    started: datetime
    seeing: float
    angle: float
    keeps_science: bool


@dataclass(frozen=True)
class Image:
    """One product of a set; `dither` counts from 0, `board` from 1 and is 0 for all of them."""

    of: Set
    image_type: ImageType
    dither: int
    board: int

    @cached_property
    def started(self) -> datetime:
        """When its exposure, or the first one, started."""
        return self.of.started + timedelta(seconds=self.dither * (EXPOSURE_SECONDS + 9.016))

    @cached_property
    def listed(self) -> str:
        """When it was listed first, as the catalog writes times."""
        return format_instant(self.started + timedelta(hours=9))

    @cached_property
    def filename(self) -> str:
        """Its name, as the archive makes names."""
        digits = format_instant(self.started)
        instant = digits[:19].replace("-", "").replace("T", "-").replace(":", "")
        instant += f"-{digits[20:23]}"
        name = f"{CAMERAS[self.of.instrument].name}_{instant}"
        suffix = SUFFIXES[self.image_type].format(board=self.board)
        return f"{'temp_' if self.image_type is ImageType.SCIENCE else ''}{name}{suffix}"

    @cached_property
    def directory(self) -> str:
        """The directories below the root of the archive and ours."""
        camera = self.image_type.for_camera(self.of.instrument)
        return f"{self.of.instrument}/{self.of.night}/{camera.directory}"

    @cached_property
    def source(self) -> str:
        """Its directory in the archive."""
        root = "raw_data" if self.image_type is ImageType.EXPOSURE else "data"
        return f"/data/loki/{root}/{self.directory}/"


def targets(random: Random) -> list[Target]:
    """Return what is observed again and again, at a pole and over right ascension 0 too."""
    special = [Target("Polaris", 37.95, 89.26), Target("pole", 120.0, 89.97)]
    special += [Target("zero", 359.98, 10.0), Target("SN2024zero", 0.02, -5.0)]
    others = [_anywhere(random, f"SN2024{number:03}") for number in range(TARGETS - len(special))]
    return special + others


def _anywhere(random: Random, name: str) -> Target:
    lowest = np.sin(np.radians(LOWEST))
    dec = float(np.degrees(np.arcsin(random.uniform(lowest, 1.0))))
    return Target(name, random.uniform(0, 360), dec)


def sets(random: Random) -> Iterator[Set]:
    """Yield sets for ever, in the order of time."""
    known = targets(random)
    often = [1.0 / (rank + 5) for rank in range(len(known))]
    number = 0
    while True:
        night = FIRST.plus(number // SETS_A_NIGHT)
        evening = datetime(night.day.year, night.day.month, night.day.day, tzinfo=UTC)
        again = random.random() < OBSERVED_AGAIN
        field = f"field{number:05}"
        yield Set(
            number=number,
            instrument=Instrument.SPRING if random.random() < OF_SPRING else Instrument.WINTER,
            program=random.choice(PROGRAMS),
            target=random.choices(known, often)[0] if again else _anywhere(random, field),
            filter=random.choice(tuple(FILTERS)),
            night=night,
            started=evening
            + timedelta(
                hours=26,
                minutes=560 * (number % SETS_A_NIGHT) / SETS_A_NIGHT,
                seconds=random.random(),
            ),
            seeing=random.uniform(0.9, 3.0),
            angle=random.uniform(0, 360),
            keeps_science=random.random() < SCIENCE_KEPT,
        )
        number += 1


def images(of: Set) -> Iterator[Image]:
    """Yield the products of a set."""
    boards = range(1, len(CAMERAS[of.instrument].boards) + 1)
    for dither in range(DITHERS):
        if of.instrument is Instrument.WINTER:
            yield Image(of, ImageType.EXPOSURE, dither, 0)
        for board in boards:
            yield Image(of, ImageType.RAW, dither, board)
            if of.instrument is Instrument.WINTER:
                yield Image(of, ImageType.SCIENCE, dither, board)
    for board in boards:
        yield from (Image(of, image_type, 0, board) for image_type in COMBINED)


def state_of(image: Image, number: int) -> str:
    """Return how far a product came: most are here, science images as a rule are not kept."""
    if image.image_type is ImageType.SCIENCE and not image.of.keeps_science:
        return "missing"
    return "wanted" if number % 53 == 0 else "published"


def corners_of(of: Set) -> np.ndarray:
    """Return unit vectors of the corners, by dither, board and corner."""
    camera = CAMERAS[of.instrument]
    half = np.array([camera.width, camera.height]) * camera.scale / 7200.0
    steps = np.array([(np.cos(k), np.sin(k)) for k in range(DITHERS)]) * 0.02
    plane = (
        steps[:, None, None, :]
        + np.array(camera.boards)[None, :, None, :]
        + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])[None, None] * half
    )
    turn = np.radians(of.angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    east_north = np.radians(plane @ rotation)
    ra, dec = np.radians(of.target.ra), np.radians(of.target.dec)
    center = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.cross(center, east)
    vectors = center + east_north[..., :1] * east + east_north[..., 1:] * north
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def boxes_of(corners: np.ndarray) -> np.ndarray:
    """Return boxes around footprints, as `Footprint.box` makes them."""
    middle = corners.sum(axis=-2)
    middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    nearest = np.einsum("...ij,...j->...i", corners, middle).min(axis=-1)
    excess = (1.0 / nearest - 1.0 + 1e-12)[..., None]
    low, high = corners.min(axis=-2) - excess, corners.max(axis=-2) + excess
    return np.stack([low, high], axis=-1).reshape(*low.shape[:-1], 6)


class Writer:
    """Writes the rows of sets into the tables of a catalog.

    Parameters
    ----------
    db
        The database, without the indexes that are made at the end.
    products
        How many products to write.
    """

    def __init__(self, db: sqlite3.Connection, products: int) -> None:
        self._db = db
        self._left = products
        self._number = 0
        self._directories: dict[str, int] = {}
        self.footprints = 0

    def write(self, chosen: Iterable[Set]) -> None:
        """Write sets until there are enough products."""
        for of in chosen:
            if self._left <= 0:
                return
            self._write_set(of)

    def _write_set(self, of: Set) -> None:
        made = list(islice(images(of), self._left))
        self._left -= len(made)
        numbers = range(self._number, self._number + len(made))
        self._number += len(made)
        states = [state_of(image, number) for image, number in zip(made, numbers, strict=True)]
        rows = list(zip(made, numbers, states, strict=True))
        _insert(self._db, "products", [self._product(*row) for row in rows])
        listings = [each for image, number, _ in rows for each in _listings(image, number)]
        _insert(self._db, "listings", listings)
        here = [image for image, _, state in rows if state == "published"]
        self._write_facts(of, here, [n for _, n, state in rows if state == "published"])

    def _product(self, image: Image, number: int, state: str) -> dict[str, object]:
        directory = self._directories.get(image.source)
        if directory is None:
            directory = self._directories[image.source] = len(self._directories) + 1
            place = f"{image.directory}/"
            row = {"id": directory, "source": image.source, "place": place}
            _insert(self._db, "directories", [row])
        return _product(image, number, state, directory)

    def _write_facts(self, of: Set, here: list[Image], numbers: list[int]) -> None:
        corners = corners_of(of)
        boxes = boxes_of(corners).tolist()
        x, y, z = np.moveaxis(corners, -1, 0)
        ras = (np.degrees(np.arctan2(y, x)) % 360.0).tolist()
        decs = np.degrees(np.arcsin(z)).tolist()
        facts, footprints, index = [], [], []
        for image, number in zip(here, numbers, strict=True):
            facts.append(_facts(image, number, ras, decs))
            for extension, board in _parts(image):
                self.footprints += 1
                ra, dec = ras[image.dither][board], decs[image.dither][board]
                at = [value for corner in zip(ra, dec, strict=True) for value in corner]
                footprints.append((self.footprints, number + 1, extension, *at))
                index.append((self.footprints, *boxes[image.dither][board]))
        _insert(self._db, "facts", facts)
        self._db.executemany(f"INSERT INTO footprints VALUES ({_marks(11)})", footprints)  # noqa: S608
        self._db.executemany(f"INSERT INTO footprint_index VALUES ({_marks(7)})", index)  # noqa: S608


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _insert(db: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> None:
    if rows:
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        db.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)  # noqa: S608


def _parts(image: Image) -> list[tuple[int, int]]:
    """Return the HDUs of a file that hold images, and which board each is of, from 0."""
    if image.image_type is ImageType.AVRO:
        return []
    if image.board:
        return [(0, image.board - 1)]
    return [(board + 1, board) for board in range(len(CAMERAS[image.of.instrument].boards))]


def _product(image: Image, number: int, state: str, directory: int) -> dict[str, object]:
    is_here = state == "published"
    listed = image.listed
    return {
        "id": number + 1,
        "instrument": image.of.instrument.value,
        "directory": directory,
        "image_type": image.image_type.value,
        "night": image.of.night.name,
        "filename": image.filename,
        "state": state,
        "listed_ms": milliseconds(listed),
        "withdrawn_at": listed if number % 101 == 0 else None,
        "attempts": 0 if is_here else 1,
        "size": image.image_type.traits.typical_size if is_here else None,
        "digest": number.to_bytes(32, "big") if is_here else None,
        "published_ms": milliseconds(listed) if is_here else None,
        "checked_ms": milliseconds(listed) if is_here else 0,
        "mtime_ns": number if is_here else None,
        "damage": "missing" if is_here and number % 1009 == 0 else None,
        "facts_due": 0,
    }


def _listings(image: Image, number: int) -> Iterator[dict[str, object]]:
    of = image.of
    programs = PROGRAMS if of.number % 40 == 0 else (of.program,)
    listed = image.listed
    nightdate = of.night.plus(1).day.isoformat()
    for program in programs:
        yield {
            "product": number + 1,
            "program": program,
            "region": "",
            "target": of.target.name,
            "nightdate_days": pack_day(nightdate),
            "ra": of.target.ra,
            "dec": of.target.dec,
            "fid": FILTERS[of.filter],
            "utctime_us": pack_microseconds(image.started.isoformat(timespec="microseconds")),
            "fieldid": 999_999_999,
            "lastmodified_us": pack_microseconds(listed.replace("+", "000+")),
            "pipeversion": "1.2.4",
            "listed_ms": milliseconds(listed),
        }


def _facts(image: Image, number: int, ras: Corners, decs: Corners) -> dict[str, object]:
    of = image.of
    board = max(image.board - 1, 0)
    is_combined = image.image_type in COMBINED
    has_header = image.image_type is not ImageType.AVRO
    camera = CAMERAS[of.instrument]
    depth = DEPTHS[of.filter] + (number % 100) / 100.0
    return {
        "id": number + 1,
        "started_ms": pack_milliseconds(format_instant(image.started)),
        "mjd": image.started.timestamp() / 86400.0 + 40587.0,
        "filter": of.filter if has_header else None,
        "exposure_time": EXPOSURE_SECONDS * (DITHERS if is_combined else 1),
        "coadds": DITHERS if is_combined else 1,
        "dither": None if is_combined else image.dither + 1,
        "dithers": DITHERS,
        "board": image.board or None,
        "target": of.target.name,
        "target_ra": of.target.ra,
        "target_dec": of.target.dec,
        "ra": ras[image.dither][board][0],
        "dec": decs[image.dither][board][0],
        "airmass": 1.0 + number % 100 / 100.0,
        "zero_point": 25.0 if is_combined else None,
        "zero_point_error": 0.02 if is_combined else None,
        "limiting_magnitude": depth if is_combined and has_header else None,
        "seeing": of.seeing if is_combined else None,
        "astrometric_error": 0.1 if is_combined else None,
        "pixel_scale": camera.scale,
        "width": camera.width if has_header else None,
        "height": camera.height if has_header else None,
        "background": 1000.0 if has_header else None,
    }


def make(root: Path, products: int = 1_000_000, seed: int = 1) -> int:
    """Make the mirror in a directory that holds none; return how many footprints it has."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / STATE_DIR / CATALOG
    if path.exists():
        raise SystemExit(f"{path} exists already")
    name = Tree(root).prepare(uuid.uuid4().hex)
    with closing(Catalog(path, lambda: datetime.now(UTC))) as catalog:
        catalog.take_mirror_name(name)
    os.chmod(path, 0o600)  # noqa: PTH101 - as the daemon makes it
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return _fill(db, products, seed)


def _fill(db: sqlite3.Connection, products: int, seed: int) -> int:
    for pragma in (
        "foreign_keys=OFF",
        "synchronous=OFF",
        "journal_mode=MEMORY",
        "cache_size=-400000",
    ):
        db.execute(f"PRAGMA {pragma}")
    db.execute("BEGIN")
    # What looks for a product of the same name reads all of them without its index; what counts
    # products one by one is as well counted at the end.
    later = db.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " OR type = 'trigger' AND sql LIKE '%BEFORE INSERT ON products%'"
        " OR type = 'trigger' AND name LIKE 'totals_%'"
    ).fetchall()
    for kind, name, _ in later:
        db.execute(f"DROP {kind} {name}")
    writer = Writer(db, products)
    random = Random(seed)
    writer.write(sets(random))
    _write_polls(db)
    db.execute(f"INSERT INTO night_totals {COUNTED}")
    for _, _, sql in later:
        db.execute(sql)
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode=WAL")
    return writer.footprints


def _write_polls(db: sqlite3.Connection) -> None:
    """Record that everything was listed once, at the end."""
    db.execute(
        """
        INSERT INTO polls (at, program, instrument, image_type, region, start, sweep, listed, new,
                           changed, returned, withdrawn, faults, seconds)
        SELECT max(l.first_listed), l.program, p.instrument, p.image_type, '', '2024-01-01', 1,
               count(*), count(*), 0, 0, 0, 0, 1.0
        FROM listings l JOIN products p ON p.id = l.product
        GROUP BY l.program, p.instrument, p.image_type
        """
    )


def main() -> None:
    """Make the mirror, and print how large it became and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    footprints = make(options.directory, options.products, options.seed)
    size = (options.directory / STATE_DIR / CATALOG).stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{options.products} products, {footprints} footprints, {size / 1e9:.2f} GB "
        f"in {time.perf_counter() - began:.0f} s; peak {peak / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
