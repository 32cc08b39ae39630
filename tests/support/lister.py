"""An archive of a few rows that answers listings as a test wants, and what polls it.

The simulator is an observatory with nights of products. Here a test says which dates fail, are
cut short or are listed wrongly, and sees exactly which windows were asked for.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from support.catalogs import OTHER, rows
from support.clock import NOON, Clock
from support.makers import PROGRAM

from winter_sync.archive.client import ArchiveClient
from winter_sync.archive.listing import MOST_ROWS
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core.clocks import Time
from winter_sync.core.credentials import Credentials
from winter_sync.core.layout import Layout
from winter_sync.core.queries import PollSchedule, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.failed_windows import FailedWindows
from winter_sync.sync.listing_recorder import ListingRecorder, WantedRows
from winter_sync.sync.poller import Poller
from winter_sync.sync.results import PollResult
from winter_sync.sync.window_poll import WindowPoll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from winter_sync.core import Event
    from winter_sync.core.products import Product
    from winter_sync.core.withdrawals import WithdrawalRule

STACKS = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)
SECRET = "swordfish"
POLL_SCHEDULE = PollSchedule(timedelta(minutes=10), 3, timedelta(days=1))


@dataclass(frozen=True)
class Asked:
    """A listing that was asked for."""

    start: date
    end: date | None
    image_type: str
    target: str | None = None
    program: str = PROGRAM

    @property
    def days(self) -> int:
        """How many dates it covers, up to noon of the tests' clock."""
        return ((self.end or NOON.date()) - self.start).days + 1


@dataclass(frozen=True)
class Sent:
    """An answer to a download: a body, and how many products the archive says it lacks."""

    body: bytes
    missing: int | None = None


async def _not_found(_: Sequence[str]) -> Sent | int:
    return 404


@dataclass
class Lister:
    """Serves rows by their date; `answer` may answer a listing with something else.

    It is given what was asked and the rows of the answer, and returns a status, or the JSON to
    send; None for the rows. It may let the client wait for it.
    """

    clock: Clock
    table: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[Asked, list[dict[str, Any]]], object] = lambda *_: None
    program: object = field(default_factory=lambda: {"startdate": "2024-01-02"})
    """What it says of a program; a number for a status."""
    programs: dict[str, object] = field(default_factory=dict)
    """The same of those of which it says something else."""
    send: Callable[[Sequence[str]], Awaitable[Sent | int]] = _not_found
    """What it sends of the savepaths that are asked for, or a status."""
    ping: int = 200
    """Its status in answer to a ping."""
    asked: list[Asked] = field(default_factory=list)
    """Every listing that was asked for; once each where it was asked for again at once."""
    programs_asked: list[str] = field(default_factory=list)
    downloads: list[tuple[str, ...]] = field(default_factory=list)
    """The savepaths of each download that was asked for."""

    def add(self, *products: Product, **columns: object) -> None:
        """List more products, with the given columns."""
        self.table += [
            {
                "progname": PROGRAM,
                "nightdate": product.night.day.isoformat(),
                "targname": "a star",
                "image_type": product.image_type.value,
                "savepath": product.savepath,
                **columns,
            }
            for product in products
        ]

    def remove(self, *products: Product) -> None:
        """List products no more."""
        paths = {product.savepath for product in products}
        self.table = [row for row in self.table if row["savepath"] not in paths]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        response = await self._answer(request)
        response.headers["Date"] = format_datetime(self.clock(), usegmt=True)
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        answer: object = {}
        if request.path == "/ping":
            answer = self.ping
        elif request.path == "/validation/program":
            self.programs_asked.append(request.query["program_name"])
            said = self.programs.get(request.query["program_name"], self.program)
            answer = said if isinstance(said, int) else {"body": said}
        elif request.path == "/images/query":
            answer = self._listing(*json.loads(await request.read()))
            if isawaitable(answer):
                answer = await answer
        elif request.path == "/images/download_list":
            paths = tuple(each["path"] for each in json.loads(await request.read()))
            self.downloads.append(paths)
            answer = await self.send(paths)
        if isinstance(answer, Sent):
            lacks = {} if answer.missing is None else {"missing-images": str(answer.missing)}
            return web.Response(body=answer.body, headers=lacks)
        status, body = (answer, {}) if isinstance(answer, int) else (200, answer)
        return web.json_response(body, status=status)

    def _listing(self, body: dict[str, Any]) -> object:
        asked = Asked(
            _day(body["start_date"]),
            _day(body["end_date"]) if "end_date" in body else None,
            body["image_type"],
            body.get("target_name"),
            body["program_name"],
        )
        if self.asked[-1:] != [asked]:
            self.asked.append(asked)
        found = [row for row in self.table if self._is_asked_for(row, asked)]
        answer = self.answer(asked, found)
        return listing_of(found) if answer is None else answer

    def _is_asked_for(self, row: dict[str, Any], asked: Asked) -> bool:
        day = date.fromisoformat(row["nightdate"])
        return (
            asked.start <= day <= (asked.end or self.clock().date())
            and (row["image_type"], row["progname"]) == (asked.image_type, asked.program)
            and asked.target in (None, row["targname"])
        )


def listing_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that lists these rows, all that there are."""
    return {"msg": f"Found {len(rows)} images", "body": rows}


def _day(number: int) -> date:
    return datetime.strptime(str(number), "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone


@dataclass
class PollRig:
    """A lister, a catalog, and what polls one into the other; waiting takes no time."""

    lister: Lister
    clock: Clock
    catalog: CatalogThread
    api: ArchiveClient
    threads: ThreadPoolExecutor
    time: Time
    path: Path
    """Where the catalog is."""
    events: list[Event] = field(default_factory=list)
    poll_schedule: Callable[[Subject], PollSchedule] = lambda _: POLL_SCHEDULE

    def __post_init__(self) -> None:
        self.windows = FailedWindows(self.clock)

    def recorder(
        self, withdrawal_rule: WithdrawalRule | None = None, most_known: int = 1000
    ) -> ListingRecorder:
        """Return what records answers."""
        return ListingRecorder(
            api=self.api,
            catalog=self.catalog,
            threads=self.threads,
            layout=Layout(),
            emit=self.events.append,
            time=self.time,
            withdrawal_rule=withdrawal_rule,
            most_known=most_known,
        )

    def window_poll(
        self,
        wanted: WantedRows | None = None,
        result: PollResult | None = None,
        recorder: ListingRecorder | None = None,
    ) -> WindowPoll:
        """Return a poll of windows; what failed is remembered from one to the next."""
        return WindowPoll(
            api=self.api,
            recorder=recorder or self.recorder(),
            windows=self.windows,
            emit=self.events.append,
            wanted=wanted or WantedRows(),
            result=result or PollResult(),
        )

    def poller(self) -> Poller:
        """Return a poller that remembers nothing yet."""
        return Poller(
            api=self.api,
            catalog=self.catalog,
            recorder=self.recorder(),
            poll_schedule=self.poll_schedule,
            emit=self.events.append,
            time=self.time,
        )

    def emitted(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table of the catalog."""
        return await self.catalog(rows, name)

    async def listed(self) -> set[str]:
        """Return the savepaths of the products in the catalog."""
        return {row["savepath"] for row in await self.table("products")}

    async def withdrawn(self) -> set[str]:
        """Return the savepaths of those that are listed no more."""
        return {row["savepath"] for row in await self.table("products") if row["withdrawn_at"]}


@asynccontextmanager
async def poll_rig(directory: Path, most_rows: int = MOST_ROWS) -> AsyncIterator[PollRig]:
    """Serve a lister, and yield it with an empty catalog and what polls it.

    `most_rows` is how many new rows of an answer are used at once.
    """
    clock = Clock()
    lister = Lister(clock)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", lister.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    path = directory / "catalog.sqlite3"
    waits: list[float] = []
    time = Time(clock, lambda: _seconds(clock) + sum(waits), _recording(waits), lambda: 0.5)
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        credentials = Credentials("someone", SECRET, {PROGRAM: "key", OTHER: "its key"})
        async with (
            ArchiveClient(url, credentials, interval=0, time=time, most_rows=most_rows) as api,
            CatalogThread(path, clock) as catalog,
        ):
            with ThreadPoolExecutor(1) as threads:
                yield PollRig(lister, clock, catalog, api, threads, time, path)
    finally:
        await runner.cleanup()


def _seconds(clock: Clock) -> float:
    """Return how far a clock has been advanced."""
    return (clock() - NOON).total_seconds()


def _recording(waits: list[float]) -> Callable[[float], Awaitable[None]]:
    """Return a sleep that takes no time."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep
