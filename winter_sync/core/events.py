"""What happens, told as it happens: for logs, progress views and counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    counted = Counter((one.night, one.instrument, one.image_type) for one in products)
    return tuple(Share(*of, number) for of, number in counted.items())


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many products are wanted and nobody is fetching; told when a run begins and when it ends.

    Told again, it replaces what was told before: others may have fetched some meanwhile.
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
    """No further poll of this run brings anything."""


@dataclass(frozen=True, slots=True)
class RowsLeftOut:
    """Some rows of a listing made no sense and were left out; the others were used."""

    query: Query
    reasons: tuple[str, ...]
    untold: int = 0
    """How many more rows were left out, for reasons that are not among these."""

    @property
    def rows(self) -> int:
        """How many rows were left out."""
        return len(self.reasons) + self.untold


@dataclass(frozen=True, slots=True)
class PollFailed:
    """A listing could not be had."""

    query: Query
    reason: str
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class WindowHalved:
    """A window could not be listed at once, though the server is well: its halves are asked for."""

    query: Query
    reason: str


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A download was asked for."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a batch arrived, as they are on the wire."""

    batch: Batch
    size: int


@dataclass(frozen=True, slots=True)
class ProductFinished:
    """It is known what became of a product."""

    outcome: Outcome


INTERRUPTED = "interrupted"
"""The trouble of a batch that we broke off ourselves."""


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A download is over; `trouble` says what broke it, if something did, and `cause` its kind."""

    batch: Batch
    seconds: float
    trouble: str | None = None
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed for a passing reason and is tried again after a wait, in seconds."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class ServerFailing:
    """Requests fail in a row, or the server asks for time: it is left alone, seconds at first."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class ServerRecovered:
    """The server answers again, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a crash had left was put in order."""

    adopted: int
    released: int


@dataclass(frozen=True, slots=True)
class FoundUnchanged:
    """Products with new marks that need not be fetched: a sample of their night was the same."""

    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class ProductsLeftOut:
    """New products that cannot have a place in the tree, because another has it."""

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
    """Files of the tree are not as they were downloaded, and are left so; `reason` of the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FilesUnreadable:
    """Files of the tree cannot be read; `reason` is the system's word on the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FileChecked:
    """A file of the tree was read in full by the daemon; `size` is how many bytes it has."""

    size: int


@dataclass(frozen=True, slots=True)
class CheckPaused:
    """The daemon's check of files cannot go on for so many seconds; all other work does."""

    reason: str
    remedy: str
    wait: float


@dataclass(frozen=True, slots=True)
class ProgramRefused:
    """A program's credentials are refused: it is left alone for so many seconds."""

    program: str
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class DownloadsPaused:
    """One download after the other brought nothing: none is asked for, for so many seconds."""

    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class StorageFailing:
    """The disk or the catalog cannot do its part: all work rests for so many seconds."""

    reason: str
    remedy: str
    wait: float


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon begins, or goes on after it read its settings again."""

    root: str
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopping:
    """The daemon was told to end; what is under way has so many seconds to come."""

    grace: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The daemon has ended as it was told; it published so much since it began."""

    published: int
    size: int


@dataclass(frozen=True, slots=True)
class Reloading:
    """The settings were read again and are good; what is under way has so many seconds to come."""

    grace: float


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The settings were read again and are wrong: the old ones stay."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Nothing comes of some work any more."""

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
    """For how long the server was left alone."""
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
    """The clock went so many seconds further than time did: set, or the machine slept."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ClocksDiffer:
    """The archive's clock is so many seconds ahead of ours that its date is not used."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DirectoriesNotSynced:
    """The file system of the root cannot make names durable; told once, when a mirror opens."""

    root: str


@dataclass(frozen=True, slots=True)
class GroupNotGiven:
    """Files cannot be given the group of their set-group-ID directory; told once for a group."""

    directory: str
    group: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The process was stopped for so many seconds, by a signal or with its container."""

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
Sink = Callable[[Event], None]
"""What takes events, one by one: a log, counters, a progress view. It is quick and never fails."""
_Event = TypeVar("_Event")
_Made = TypeVar("_Made")


def fan_out(*sinks: Sink) -> Sink:
    """Return a sink that hands each event to all of these, in their order."""

    def emit(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return emit


class EventTable(Generic[_Made]):
    """What is made of each kind of event: a table from its class to a function."""

    def __init__(self) -> None:
        self._makers: dict[type, Callable[[Any], _Made]] = {}

    def add(self, kind: type[_Event], make: Callable[[_Event], _Made]) -> None:
        """Add a row: what is made of events of a class."""
        self._makers[kind] = make

    def of(self, event: Event) -> _Made | None:
        """Return what is made of an event; None if its class has no row."""
        make = self._makers.get(type(event))
        return make(event) if make else None

    @property
    def kinds(self) -> frozenset[type]:
        """The classes that have a row."""
        return frozenset(self._makers)
