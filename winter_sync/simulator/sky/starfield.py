"""Paints what a camera sees: stars of one patch of sky, noise, and bad pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from winter_sync.simulator.sky.frame import Frame

_STARS_AT_FULL_SCALE = 3000
_FEWEST_STARS = 120
_BAD_FRACTION = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """Stars: right ascension and declination in degrees, and their peaks in counts."""

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    peak: NDArray[np.float64]

    def with_star(self, ra: float, dec: float, peak: float) -> Stars:
        """Return these stars and one more."""
        return Stars(np.append(self.ra, ra), np.append(self.dec, dec), np.append(self.peak, peak))


def generator(*key: object) -> np.random.Generator:
    """Return the random numbers that belong to a key: the same in every process."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16])))


@lru_cache(maxsize=64)
def stars_around(
    seed: int, field: str, centre: tuple[float, float], width: float, scale: float
) -> Stars:
    """Return the stars of a field of a width in degrees; fewer for smaller images."""
    chance = generator(seed, "stars", field)
    count = max(_FEWEST_STARS, round(_STARS_AT_FULL_SCALE * scale))
    east = np.radians(chance.uniform(-width / 2, width / 2, count))
    north = np.radians(chance.uniform(-width / 2, width / 2, count))
    ra, dec = np.radians(centre)
    along = np.cos(dec) - north * np.sin(dec)
    height = np.arctan2(np.sin(dec) + north * np.cos(dec), np.hypot(east, along))
    return Stars(
        ra=np.degrees(ra + np.arctan2(east, along)) % 360.0,
        dec=np.degrees(height),
        peak=np.minimum(60.0 * chance.pareto(0.9, count) + 40.0, 20_000.0),
    )


def pixels_of(stars: Stars, frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where stars fall on an image, in pixels from 0: columns and rows."""
    turned, height = np.radians(stars.ra - frame.ra), np.radians(stars.dec)
    sine, cosine = np.sin(np.radians(frame.dec)), np.cos(np.radians(frame.dec))
    upright, level = np.sin(height), np.cos(height)
    towards = level * np.cos(turned)
    depth = np.radians(frame.pixel) * (sine * upright + cosine * towards)
    east = level * np.sin(turned) / depth
    north = (cosine * upright - sine * towards) / depth
    x, y = frame.reference
    if frame.turned:
        return x - 1 + north, y - 1 + east
    return x - 1 - east, y - 1 + north


def paint(image: NDArray[np.float32], frame: Frame, stars: Stars, sigma: float) -> None:
    """Add the stars that fall on the image to it, as round Gaussians `sigma` pixels wide."""
    reach = int(np.ceil(4 * sigma))
    rows, columns = frame.shape
    x, y = pixels_of(stars, frame)
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
