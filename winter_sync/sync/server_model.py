"""What the archive's server does with a download, estimated from how the last ones went."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LEAST_FIXED = 0.25
"""Seconds; each request costs the server at least the check of a password."""
_LEAST_RECEIVING = 1e-10
"""Seconds for each byte; no wire is faster."""
_LARGEST = 512_000_000
"""Bytes; what a failure may cost. What arrived complete before it is kept."""
_LARGEST_UNTRIED = 256_000_000
_LARGEST_AFTER_FAILURE = 32_000_000
"""No failure is held against requests as small as this, ..."""
MOST = 256
"""How many products one request may ask for: what a failure may cost."""
_MOST_AFTER_FAILURE = 32
"""... or with as few products."""
_APART = 1.25
"""Times larger: the waits for sizes nearer to each other say little of what a byte costs."""
_AS_GUESSED = 2
"""The guess counts as much as this many downloads."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How one download went that arrived complete, or did not begin.

    Attributes
    ----------
    at
        When it ended, seconds since 1970.
    products, size
        How many products were asked for, and how many bytes they have.
    waited
        Seconds from the request to the first byte; None if it did not begin.
    receiving
        Seconds from then to the end.
    """

    at: float
    products: int
    size: int
    waited: float | None
    receiving: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerModel:
    """What the server is taken to do.

    Attributes
    ----------
    fixed
        Seconds that every request takes, whatever it asks for.
    zipping
        Seconds for each byte asked for, before the first arrives.
    receiving
        Seconds for each byte, while they arrive.
    spread
        By which part a download takes more or less time than this says, in the middle.
    largest, most
        Bytes and products that it may be asked for at once.
    """

    fixed: float
    zipping: float
    receiving: float
    spread: float
    largest: int
    most: int = MOST

    @property
    def per_byte(self) -> float:
        """Seconds for each byte."""
        return self.zipping + self.receiving

    def seconds(self, size: float) -> float:
        """Return how long a download of this many bytes takes."""
        return self.fixed + self.per_byte * size


GUESS = ServerModel(
    fixed=0.5, zipping=1 / 100e6, receiving=1 / 25e6, spread=0.5, largest=_LARGEST_UNTRIED
)
"""Of a server of which nothing is known."""


def estimate(transfers: Iterable[Transfer]) -> ServerModel:
    """Estimate what the server does; single downloads that went otherwise do not matter.

    The wait for the first byte is a line through the sizes asked for, by the median of the slopes
    of all pairs (Theil 1950, Sen 1968); the rate is the median byte's. Where all are of one size,
    the line goes through the guess of what no bytes cost.
    """
    known = list(transfers)
    went = [transfer for transfer in known if transfer.waited is not None and transfer.size > 0]
    fixed, zipping = _line([(each.size, each.waited or 0.0) for each in went])
    model = ServerModel(
        fixed=max(fixed, _LEAST_FIXED),
        zipping=zipping,
        receiving=max(_receiving(went), _LEAST_RECEIVING),
        spread=0.0,
        largest=_LARGEST if went else _LARGEST_UNTRIED,
    )
    return _within_failures(model, known, _spread(went, model))


def _line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return the value at 0 and the slope of a line through points, which does not fall."""
    pairs = [(a, b) for a, b in combinations(sorted(points), 2) if b[0] > _APART * a[0]]
    if not pairs:
        points = [(0, GUESS.fixed), *points]
        pairs = [(points[0], point) for point in points[1:]]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs] or [GUESS.zipping]
    slope = max(median(slopes), 0.0)
    return median(y - slope * x for x, y in points), slope


def _receiving(went: Sequence[Transfer]) -> float:
    """Return the seconds that the median of all bytes took."""
    if not went:
        return GUESS.receiving
    rates = sorted((each.receiving / each.size, each.size) for each in went)
    half, so_far = sum(size for _, size in rates) / 2, 0
    for rate, size in rates:
        so_far += size
        if so_far >= half:
            return rate
    return rates[-1][0]


def _spread(went: Sequence[Transfer], model: ServerModel) -> float:
    """Return how far, as a part, the middle download was from what the model says."""
    misses = [
        abs(((each.waited or 0.0) + each.receiving) / model.seconds(each.size) - 1) for each in went
    ]
    return median([*misses, *[GUESS.spread] * _AS_GUESSED])


def _within_failures(model: ServerModel, known: Sequence[Transfer], spread: float) -> ServerModel:
    """Return the model with limits of half of what was too much, unless as much arrived later."""
    largest, most = model.largest, model.most
    largest_since = 0
    for each in reversed(known):
        if each.waited is not None:
            largest_since = max(largest_since, each.size)
        elif each.size > largest_since:
            largest = min(largest, max(each.size // 2, _LARGEST_AFTER_FAILURE))
            most = min(most, max(each.products // 2, _MOST_AFTER_FAILURE))
    return ServerModel(model.fixed, model.zipping, model.receiving, spread, largest, most)
