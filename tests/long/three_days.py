"""Three days of a daemon: late products, two outages, a reload and a restart, on driven time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from support.daemon_rig import DaemonRig, daemon_rig

from winter_sync.core import Polled, ProductFinished
from winter_sync.core.downloads import Published
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Answer, Call, Faults, Reset, Universe

if TYPE_CHECKING:
    from pathlib import Path

    from support.driven import DrivenTime

    from winter_sync.core.products import Product

EVENING = datetime(2025, 10, 20, 22, tzinfo=UTC)
NIGHTS = tuple(Night("20251020").plus(days) for days in range(3))
END = EVENING + timedelta(days=3)
SETTLED = END - timedelta(minutes=15)
"""What appears later may come after the end."""
FIRST = {"name": "2024A000", "image_types": ["exposure", "raw", "stack"]}
SECOND = {"name": "2025B001", "image_types": ["stack"], "instruments": ["winter", "spring"]}
NARROWED = {"name": "2024A000", "image_types": ["raw", "stack"]}
OUTAGES = (
    (EVENING + timedelta(hours=16), EVENING + timedelta(hours=19)),
    (EVENING + timedelta(hours=42), EVENING + timedelta(hours=43)),
)
RELOAD = EVENING + timedelta(hours=24)
POLL_EVERY = timedelta(minutes=10)
RESTART = EVENING + timedelta(hours=48)


class Weather(Faults):
    """An archive that is away twice: cut off first, then too busy; and that sees who overlaps."""

    def __init__(self, time: DrivenTime) -> None:
        self._time = time
        self._under_way: Counter[tuple[object, ...]] = Counter()
        self.overlaps = 0
        self.in_vain = 0
        self.downloads: list[tuple[str, ...]] = []

    async def before(self, call: Call) -> Answer | None:
        """Answer, unless away."""
        first, second = (begin <= self._time.true() < end for begin, end in OUTAGES)
        if first or second:
            self.in_vain += 1
        if first:
            raise Reset
        if second:
            return Answer(503, b"{}", headers={"Retry-After": "600"})
        if call.path == "/images/query":
            self._under_way[_subject(call)] += 1
            self.overlaps += self._under_way[_subject(call)] > 1
        return None

    def listing(self, call: Call, body: dict[str, object]) -> dict[str, object]:
        """Record the end of a poll."""
        self._under_way[_subject(call)] -= 1
        return body

    async def before_zip(self, call: Call) -> Answer | None:
        """Record what is downloaded."""
        self.downloads.append(call.savepaths)
        return None


def _subject(call: Call) -> tuple[object, ...]:
    return call.program, call.instrument, call.image_type


@dataclass
class Record:
    """How the three days went."""

    files: dict[str, str] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    """The polls that were due while the archive was there, and those that found what to fetch."""
    overlaps: int = 0
    in_vain: int = 0
    """Requests made while the archive was away."""
    fetched_twice: int = 0
    latencies: list[timedelta] = field(default_factory=list)
    """From a product's appearance to its publication; what was there before us left out."""
    latencies_in_outages: list[timedelta] = field(default_factory=list)
    """The same of products that appeared while the archive was away, or just before."""


async def three_days(time: DrivenTime, directory: Path) -> Record:
    """Live through the three days."""
    weather = Weather(time)
    async with daemon_rig(time, Universe(nights=NIGHTS), directory, faults=weather) as rig:
        rig.programs = [FIRST]
        async with rig.running() as service:
            await time.until(RELOAD)
            rig.programs = [NARROWED, SECOND]
            service.signals.reload()
            await time.until(RESTART)
        async with rig.running():
            await time.until(END)
        return _record(rig, weather)


def wanted(rig: DaemonRig) -> list[Product]:
    """Return the products that must be mirrored: selected at their time, listed long enough."""
    entries = [entry for entry in rig.observatory.entries() if entry.holding.listed_at <= SETTLED]
    return [
        entry.product
        for entry in entries
        if _is_asked_for(entry.program, entry.product, entry.holding.listed_at)
    ]


def _is_asked_for(program: str, product: Product, listed_at: datetime) -> bool:
    kind = product.image_type
    if program == FIRST["name"]:
        exposure = kind is ImageType.EXPOSURE and listed_at < RELOAD - timedelta(minutes=15)
        return product.instrument is Instrument.WINTER and (
            exposure or kind in {ImageType.RAW, ImageType.STACK}
        )
    return kind is ImageType.STACK


def _record(rig: DaemonRig, weather: Weather) -> Record:
    products = wanted(rig)
    asked = Counter(path for paths in weather.downloads for path in paths)
    record = Record(
        files=rig.files(),
        truth=rig.truth(products),
        requests=Counter(request.path for request in rig.simulator.requests),
        due=_due(rig),
        overlaps=weather.overlaps,
        in_vain=weather.in_vain,
        fetched_twice=sum(times > 1 for times in asked.values()),
    )
    for at, event in rig.timed_events:
        if isinstance(event, ProductFinished) and isinstance(event.outcome, Published):
            product = event.outcome.candidate.product
            listed = rig.observatory.entry(*product.identity).holding.listed_at
            if any(begin - timedelta(minutes=11) <= listed < end for begin, end in OUTAGES):
                record.latencies_in_outages.append(at - listed)
            elif listed >= _asked_since(rig, product):
                record.latencies.append(at - listed)
    return record


def _asked_since(rig: DaemonRig, product: Product) -> datetime:
    entry = rig.observatory.entry(*product.identity)
    return EVENING if entry.program == FIRST["name"] else RELOAD


def _due(rig: DaemonRig) -> Counter[str]:
    """Count the polls that were due while the archive was there, and those that found products."""
    subjects = (3, 4)  # before the reload, and after it
    away = [end - begin for begin, end in OUTAGES]
    spans = (RELOAD - EVENING - away[0], END - RELOAD - away[1])
    due = sum(number * (span // POLL_EVERY) for number, span in zip(subjects, spans, strict=True))
    found = sum(bool(poll.new + poll.changed) for poll in rig.emitted(Polled))
    return Counter({"/images/query": due, "/images/download_list": found})
