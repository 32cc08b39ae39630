"""Every wait after a failure: how long it is at first, how it grows, and how long it becomes."""

from __future__ import annotations

from datetime import timedelta

_FIRST_DELAY = timedelta(minutes=1)


_LONGEST_DELAY = timedelta(hours=6)


_AT_ONCE = 3


_DOUBTFUL_DELAY = timedelta(minutes=65)
"""A little more than the time after which the same content counts as what the archive holds."""


_MISSING_DELAYS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24))


_REFUSED_DELAYS = (timedelta(0), timedelta(minutes=10), *_MISSING_DELAYS)


def retry_delay(attempts: int, random: float) -> timedelta:
    """Give the wait before a failed product is asked for again.

    The first failures are retried at once, in smaller batches; then the wait doubles from a
    minute to six hours. `random` in [0, 1) spreads it by a quarter either way.
    """
    if is_retried_at_once(attempts):
        return timedelta(0)
    return doubled(_FIRST_DELAY, attempts - _AT_ONCE, _LONGEST_DELAY) * (0.75 + random / 2)


def refused_delay(attempts: int) -> timedelta:
    """Return the wait before a product that arrived complete and was refused is downloaded again.

    Its CRC-32 was right, so the archive holds it as it is: at first it may be half written, and is
    asked for at once and after ten minutes; then as rarely as one that the archive does not have.
    """
    return _REFUSED_DELAYS[min(max(attempts, 1), len(_REFUSED_DELAYS)) - 1]


def doubtful_delay(attempts: int) -> timedelta:
    """Return the wait before a product of which no data seem to be missing is downloaded again.

    The same content is believed only so much later, so that asking sooner would be in vain; the
    wait doubles up to six hours while the content is another one each time.
    """
    return doubled(_DOUBTFUL_DELAY, max(attempts, 1), _LONGEST_DELAY)


def is_retried_at_once(attempts: int) -> bool:
    """Tell whether a product that has failed so often is asked for again without waiting."""
    return attempts <= _AT_ONCE


def doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    """Give the wait after so many failures, at least one: it doubles from `first` to `longest`."""
    return min(first * (1 << min(times - 1, 20)), longest)


def missing_delay(times: int) -> timedelta:
    """Give the wait before a product that the server does not have is asked for again."""
    return _MISSING_DELAYS[min(max(times, 1), len(_MISSING_DELAYS)) - 1]
