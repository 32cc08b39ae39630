"""Paints what a camera sees: stars of one patch of sky, noise, and bad pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from winter_sync.simulator.observatory.observing import Dither, Visit

_FIELD_DEGREES = 1.6
_STARS_AT_FULL_SCALE = 3000
_FEWEST_STARS = 120
_FULL_SIGMA = 1.2
_BAD_FRACTION = 0.01


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image lies on the sky.

    `shape` is (rows, columns), `pixel` the degrees a pixel covers, `centre` the middle of the
    image as seen from the pointing, in degrees of the tangent plane.
    """

    shape: tuple[int, int]
    pixel: float
    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def reference(self) -> tuple[float, float]:
        """Return the FITS pixel (from 1) on which the pointing falls, often off the image."""
        rows, columns = self.shape
        east, north = self.centre
        return (columns + 1) / 2 + east / self.pixel, (rows + 1) / 2 - north / self.pixel


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """Stars in the tangent plane: degrees east and north, and their peaks in counts."""

    east: NDArray[np.float64]
    north: NDArray[np.float64]
    peak: NDArray[np.float64]


def generator(*key: object) -> np.random.Generator:
    """Return the random numbers that belong to a key: the same in every process."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16])))


@lru_cache(maxsize=64)
def stars_of(seed: int, visit_key: str, scale: float) -> Stars:
    """Return the stars around a visit's first pointing; fewer for smaller images."""
    chance = generator(seed, "stars", visit_key)
    count = max(_FEWEST_STARS, round(_STARS_AT_FULL_SCALE * scale))
    half = _FIELD_DEGREES / 2
    return Stars(
        east=chance.uniform(-half, half, count),
        north=chance.uniform(-half, half, count),
        peak=np.minimum(60.0 * chance.pareto(0.9, count) + 40.0, 20_000.0),
    )


def shifted(stars: Stars, visit: Visit, dither: Dither) -> Stars:
    """Return the stars as seen from the pointing of another dither of the visit."""
    cosine = np.cos(np.radians(visit.dec))
    east = (dither.ra - visit.ra + 180.0) % 360.0 - 180.0
    return Stars(stars.east - east * cosine, stars.north - (dither.dec - visit.dec), stars.peak)


def paint(image: NDArray[np.float32], frame: Frame, stars: Stars, scale: float) -> None:
    """Add the stars that fall on the image to it, as round Gaussians of a pixel or so."""
    sigma = max(0.7, _FULL_SIGMA * scale)
    reach = int(np.ceil(4 * sigma))
    rows, columns = frame.shape
    x = frame.reference[0] - 1 - stars.east / frame.pixel
    y = frame.reference[1] - 1 + stars.north / frame.pixel
    half = 0.5
    seen = (x > -half) & (x < columns - half) & (y > -half) & (y < rows - half)
    across, down = _offsets(x[seen], reach), _offsets(y[seen], reach)
    wide = np.exp(-((across - x[seen, None]) ** 2) / (2 * sigma**2))
    high = np.exp(-((down - y[seen, None]) ** 2) / (2 * sigma**2))
    light = stars.peak[seen, None, None] * high[:, :, None] * wide[:, None, :]
    # A stamp may reach over the edge: what falls there has a weight of nothing.
    light *= ((down >= 0) & (down < rows))[:, :, None]
    light *= ((across >= 0) & (across < columns))[:, None, :]
    place = np.clip(down, 0, rows - 1)[:, :, None] * columns
    place = place + np.clip(across, 0, columns - 1)[:, None, :]
    np.add.at(image.reshape(-1), place.ravel(), light.ravel().astype(np.float32))


def sky(
    chance: np.random.Generator, shape: tuple[int, int], level: float, noise: float
) -> NDArray[np.float32]:
    """Return an empty sky of a level with Gaussian noise, in counts."""
    image = chance.standard_normal(shape, dtype=np.float32)
    image *= np.float32(noise)
    image += np.float32(level)
    return image


def bad_pixels(seed: int, detector: str, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return the places (in the flattened image) of a detector's bad pixels: always the same."""
    size = shape[0] * shape[1]
    return generator(seed, "bad", detector, shape).choice(
        size, size=round(size * _BAD_FRACTION), replace=False, shuffle=False
    )


def _offsets(position: NDArray[np.float64], reach: int) -> NDArray[np.int64]:
    return np.rint(position).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
