"""Every wait after a failure: how long it is at first, how it grows, and how long it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MOST_DOUBLINGS = 25
"""2^25 times any wait here is far beyond the longest, and no overflow."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after one failure, after two in a row, and so on.

    The waits of `steps` come first, one after each failure. Then the wait doubles from `first` to
    `longest`.

    Attributes
    ----------
    first, longest
        The first wait after the steps, and the bound of its doubling, before jitter.
    jitter
        By which fraction the wait is spread, shorter or longer: 0 for not at all, at most 1.
    steps
        Waits before the doubling begins.
    """

    first: timedelta
    longest: timedelta
    jitter: float = 0.0
    steps: tuple[timedelta, ...] = ()

    def delay(self, failures: int, random: float = 0.5) -> timedelta:
        """Return the wait after this many failures in a row; none counts as one.

        `random` in [0, 1) chooses the wait within the jitter: 0 the shortest, 0.5 the middle.
        """
        return self._middle(failures) * (1 - self.jitter + 2 * self.jitter * random)

    def is_immediate(self, failures: int) -> bool:
        """Return whether there is no wait at all after this many failures."""
        return not self._middle(failures)

    def _middle(self, failures: int) -> timedelta:
        beyond = max(failures, 1) - len(self.steps)
        if beyond <= 0:
            return self.steps[beyond - 1]
        return min(self.first * (1 << min(beyond - 1, _MOST_DOUBLINGS)), self.longest)


_NONE = timedelta(0)
_HOURS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12))
_DAY = timedelta(days=1)

# --- products -------------------------------------------------------------------------------------

FAILED_DOWNLOAD = Backoff(timedelta(minutes=1), timedelta(hours=6), 0.25, steps=(_NONE,) * 3)
"""Before a failed product is asked for again: at first at once, in smaller batches."""

MISSING_PRODUCT = Backoff(_DAY, _DAY, steps=_HOURS)
"""Before a product that the server does not have is asked for again."""

REFUSED_CONTENT = Backoff(_DAY, _DAY, steps=(_NONE, timedelta(minutes=10), *_HOURS))
"""Before a product that arrived complete and was refused is downloaded again.

Its CRC-32 was right, so the archive holds it as it is: at first it may be half written, and is
asked for at once and after ten minutes; then as rarely as one that the archive does not have.
"""

DOUBTFUL_CONTENT = Backoff(timedelta(minutes=65), timedelta(hours=6))
"""Before a product of which no data seem to be missing is downloaded again.

The first wait is a little more than the time after which the same content counts as what the
archive holds (an hour): asking sooner would not help.
"""

# --- the archive ----------------------------------------------------------------------------------

FAILED_REQUEST = Backoff(timedelta(seconds=0.5), timedelta(seconds=15), jitter=1.0)
"""Before a request that failed is sent again."""

FAILING_SERVER = Backoff(timedelta(seconds=15), timedelta(minutes=15), 0.25)
"""Before a server that is being left alone is probed, unless it asks for another time itself."""

FAILED_WINDOW = Backoff(timedelta(hours=1), _DAY)
"""Before a window of dates that was too much for the archive is asked for at once again."""

FAILED_POLL = Backoff(timedelta(minutes=1), timedelta(hours=1))
"""Before the daemon polls a subject again, unless its schedule is quicker."""

FUTILE_DOWNLOADS = Backoff(timedelta(minutes=5), timedelta(hours=1))
"""Before the daemon downloads again after one download after the other brought nothing."""

# --- other programs -------------------------------------------------------------------------------

FAILED_DELIVERY = Backoff(timedelta(seconds=5), timedelta(hours=1), 0.25)
"""Before events are delivered again to a sink that did not take them."""

# --- the disk -------------------------------------------------------------------------------------

FAILING_STORAGE = Backoff(timedelta(minutes=1), timedelta(minutes=15))
"""Before the daemon opens its mirror again after the disk or the catalog failed."""

FAILED_FILE_CHECK = Backoff(timedelta(minutes=10), timedelta(minutes=10))
"""Before the daemon goes on checking files after the disk or the catalog failed."""

FAILED_FACTS = Backoff(timedelta(minutes=1), timedelta(hours=1))
"""Before the daemon tries to read or record facts of images again."""

FAILED_MANIFESTS = Backoff(timedelta(minutes=1), timedelta(hours=1))
"""Before the daemon tries to write the manifests of nights again."""

BUSY_CATALOG = Backoff(timedelta(seconds=0.055), timedelta(seconds=0.055), jitter=9 / 11)
"""Before a new catalog that another process holds is tried again."""
