"""The events of a run and of the daemon, for logs, progress views and counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core.errors import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core.downloads import Batch, Outcome
    from winter_sync.core.products import Night, Product
    from winter_sync.core.queries import Query
    from winter_sync.core.traits import ImageType, Instrument


@dataclass(frozen=True, slots=True)
class Share:
    """How many products of one night, instrument and type; `failed` of them failed before."""

    night: Night
    instrument: Instrument
    image_type: ImageType
    products: int
    failed: int = 0


def shares(products: Iterable[Product]) -> tuple[Share, ...]:
    """Count products by night, instrument and type."""
    counted = Counter(
        (product.night, product.instrument, product.image_type) for product in products
    )
    return tuple(Share(*of, number) for of, number in counted.items())


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many products are wanted and nobody is fetching; emitted when a run begins and ends.

    A later one replaces the one before: others may have fetched some meanwhile.
    `shares` give the same by night and type.
    """

    wanted: int
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Polled:
    """A listing was read and compared; `shares` are the new and the changed by night and type."""

    query: Query
    listed: int
    new: int
    changed: int
    returned: int
    withdrawn: int
    seconds: float
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class PollsEnded:
    """The polls of this run are finished: no more products will be found."""


@dataclass(frozen=True, slots=True)
class RowsLeftOut:
    """Some rows of a listing made no sense and were left out; the others were used."""

    query: Query
    reasons: tuple[str, ...]
    untold: int = 0
    """How many more rows were left out, for reasons not listed here."""

    @property
    def rows(self) -> int:
        """How many rows were left out."""
        return len(self.reasons) + self.untold


@dataclass(frozen=True, slots=True)
class PollFailed:
    """A listing could not be read."""

    query: Query
    reason: str
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class WindowHalved:
    """A window could not be listed at once, though the server responds: it is halved."""

    query: Query
    reason: str


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A download was requested."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a batch arrived, counted as transferred."""

    batch: Batch
    size: int


@dataclass(frozen=True, slots=True)
class ProductFinished:
    """A product is done with in this attempt; `outcome` says how."""

    outcome: Outcome


INTERRUPTED = "interrupted"
"""The trouble of a batch that we interrupted ourselves."""


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A download ended; `trouble` says what broke it, if anything did, and `cause` its kind."""

    batch: Batch
    seconds: float
    trouble: str | None = None
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed for a transient reason and is retried after a wait, in seconds."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class ServerFailing:
    """Requests fail in a row, or the server asks to wait: they pause, at first for `wait` s."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class ServerRecovered:
    """The server answers again, after the given number of seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a crash had left was recovered: files adopted, leases released."""

    adopted: int
    released: int


@dataclass(frozen=True, slots=True)
class FoundUnchanged:
    """Products with new marks that need not be fetched: a sample of their night was the same."""

    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class ProductsLeftOut:
    """New products that have no place in the tree, because another product has their path."""

    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class FilesLost:
    """Files of the tree were deleted; their products are wanted again.

    `unlisted` of them are no longer listed by the archive, so they cannot be downloaded. `paths`
    are the first few, relative to the root.
    """

    files: int
    unlisted: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Files of the tree were changed after download, and are left so; `reason` of the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FilesUnreadable:
    """Files of the tree cannot be read; `reason` is the system's message for the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FileChecked:
    """A file of the tree was read in full by the daemon; `size` is how many bytes it has."""

    size: int


@dataclass(frozen=True, slots=True)
class CheckPaused:
    """The daemon's check of files pauses for `wait` seconds; all other work continues."""

    reason: str
    remedy: str
    wait: float


@dataclass(frozen=True, slots=True)
class ProgramRefused:
    """A program's credentials are refused: it is not polled for `wait` seconds."""

    program: str
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class DownloadsPaused:
    """One download after the other brought nothing: none is requested for `wait` seconds."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class StorageFailing:
    """The disk or the catalog fails: all work is paused for `wait` seconds."""

    reason: str
    remedy: str
    wait: float


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon starts, or continues after a reload of its settings."""

    root: str
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopping:
    """The daemon was asked to stop; downloads under way have `grace` seconds left."""

    grace: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The daemon stopped as asked; `published` and `size` count since its start."""

    published: int
    size: int


@dataclass(frozen=True, slots=True)
class Reloading:
    """The settings were reloaded and are valid; downloads under way have `grace` seconds left."""

    grace: float


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The settings were reloaded and are invalid: the old ones stay in use."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Some work makes no progress any more."""

    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayEnded:
    """What a UTC day brought."""

    day: str
    polls: int
    failed_polls: int
    new: int
    published: int
    size: int
    failed: int
    missing: int
    troubled_seconds: float
    """How long requests to the server were paused."""
    last_night: str | None = None
    """The archive's own last night by the calendar; None, as all below, where the catalog could
    not be read."""
    last_night_listed: int | None = None
    last_night_here: int | None = None
    last_night_complete: bool | None = None
    last_answer: str | None = None
    """When the archive last listed something, ISO 8601, UTC; None also if it never did."""


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The clock went further than time did, by `seconds`: it was set, or the machine slept."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ClocksDiffer:
    """The archive's clock is so far ahead of ours, by `seconds`, that its date is not used."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DirectoriesNotSynced:
    """The file system of the root cannot make names durable; emitted once, when a mirror opens."""

    root: str


@dataclass(frozen=True, slots=True)
class GroupNotGiven:
    """Files cannot be given the group of their set-group-ID directory; emitted once for a group."""

    directory: str
    group: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The process was suspended for `seconds`, by a signal or with its container."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PagesOpen:
    """The pages are served at an address that other machines may reach."""

    listen: str

    @property
    def remedy(self) -> str:
        """What to do."""
        return 'Set listen = "127.0.0.1:8765" under [http], or let a firewall say who may connect.'


Event = (
    Backlog
    | Polled
    | PollsEnded
    | RowsLeftOut
    | PollFailed
    | WindowHalved
    | BatchStarted
    | Received
    | ProductFinished
    | BatchEnded
    | Retrying
    | ServerFailing
    | ServerRecovered
    | Recovered
    | FoundUnchanged
    | ProductsLeftOut
    | FilesLost
    | FilesChanged
    | FilesUnreadable
    | FileChecked
    | CheckPaused
    | ProgramRefused
    | DownloadsPaused
    | StorageFailing
    | Started
    | Stopping
    | Stopped
    | Reloading
    | ReloadRefused
    | Stalled
    | DayEnded
    | ClockJumped
    | ClocksDiffer
    | DirectoriesNotSynced
    | GroupNotGiven
    | Resumed
    | PagesOpen
)
