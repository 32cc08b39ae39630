"""The archive's query API: questions in, listings and streams of bytes out.

The API is described in winter-api.md, "Endpoints".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from winter_sync.archive.download import Download
from winter_sync.archive.download_slots import DownloadSlots
from winter_sync.archive.listing import MOST_ROWS, Listing, TooManyRowsError, joined
from winter_sync.archive.listing_reader import ListingReader
from winter_sync.archive.queries import query_body, read_program
from winter_sync.archive.refusals import key_refused, user_refused
from winter_sync.archive.requests import DEFAULT_TIMEOUTS, Json, Requests, Timeouts
from winter_sync.archive.retries import Retries
from winter_sync.archive.server_state import ServerState
from winter_sync.archive.too import read_requests, read_schedules
from winter_sync.core import (
    REAL_TIME,
    BadAnswerError,
    CredentialsRefusedError,
    Rectangle,
    Time,
    TransientError,
    WinterSyncError,
    escape_unprintable,
    run_in_thread,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import date

    from winter_sync.archive.download_slots import Slot
    from winter_sync.archive.requests import Beginning
    from winter_sync.core import (
        Batch,
        Credentials,
        KnownRows,
        Program,
        Proxy,
        Query,
        Sink,
        ToORequest,
    )

T = TypeVar("T")


class ArchiveClient:
    """A client of one archive, with one user's credentials.

    Use as an async context manager.

    Parameters
    ----------
    base_url
        Scheme, host and port, without a slash at the end.
    credentials
        The user, the password and the programs' keys.
    proxy
        The proxy to use; None for none, whatever the environment says.
    interval
        Least time between the starts of two requests, seconds.
    connections
        How many downloads run at once.
    timeouts
        The longest waits.
    time
        Clocks, how to wait, and chance, which spreads retries and probes.
    patience
        How many seconds a request may be held while the server is not responding.
    emit
        Receives an event when a request is retried, and when the server fails and recovers.
    most_rows
        How many rows of an answer are understood that are not known.
    """

    def __init__(  # noqa: PLR0913 - what differs between a daemon, a one-off and a test
        self,
        base_url: str,
        credentials: Credentials,
        *,
        proxy: Proxy | None = None,
        interval: float = 1.0,
        connections: int = 4,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        time: Time = REAL_TIME,
        patience: float = 120.0,
        emit: Sink = lambda _: None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self._most_rows = most_rows
        self.base_url = base_url
        self._time = time
        self.server = ServerState(probe=self.probe, time=time, patience=patience, emit=emit)
        """Whether the server responds, and its clock."""
        self._requests = Requests(
            base_url,
            credentials,
            proxy=proxy,
            interval=interval,
            connections=connections + 2,
            timeouts=timeouts,
            time=time,
            on_date=self.server.clock.record,
        )
        self._retries = Retries(self.server.circuit_breaker, time, emit)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="listing")
        self.slots = DownloadSlots(connections, emit)
        """How many downloads may run at once."""

    async def __aenter__(self) -> Self:
        await self._requests.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.shutdown()
        await self._requests.__aexit__()

    @property
    def today(self) -> date:
        """The archive's UTC date by its last answer; ours where that is absent or not believed."""
        return self.server.clock.today

    async def ping(self) -> None:
        """Make sure that the server answers.

        Raises
        ------
        TransientError
            If it does not.
        """
        await self._ask("/ping", authorize=False)

    async def probe(self) -> None:
        """Ask for a sign of life, once and even while requests are held.

        Any answer is one, even one that makes no sense.

        Raises
        ------
        TransientError
            If there is none.
        """
        with suppress(BadAnswerError, CredentialsRefusedError):
            await self._requests.ask("/ping", {}, None, authorize=False)

    async def check_user(self) -> None:
        """Make sure that user and password are accepted.

        Raises
        ------
        CredentialsRefusedError
            If they are not.
        """
        try:
            await self._ask("/validation/user")
        except CredentialsRefusedError as refused:
            raise user_refused(refused) from None

    async def program(self, name: str) -> Program:
        """Ask for a program's span.

        Raises
        ------
        CredentialsRefusedError
            If the program is not ours to see or its key is wrong.
        """
        return await _without_answer(self._naming(name, self._program(name)))

    async def _program(self, name: str) -> Program:
        answer = await self._ask("/validation/program", params=self._requests.program_params(name))
        return read_program(name, answer, self._requests.shown)

    async def too_schedules(self, program: str) -> list[str]:
        """Ask which schedules the observatory's queue has for a program; one attempt.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere.
        """
        params = {**self._requests.program_params(program), "include_archived": "false"}
        return await _without_answer(self._queued("/too/summary", params, read_schedules))

    async def too_requests(self, program: str, schedule: str) -> list[ToORequest]:
        """Ask for the entries of a schedule; one attempt.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere.
        """
        params = {**self._requests.program_params(program), "schedule_name": schedule}
        entries = partial(read_requests, program=program, schedule=schedule)
        return await _without_answer(self._queued("/too/details", params, entries))

    async def _queued(self, path: str, params: Mapping[str, str], read: Callable[[object], T]) -> T:
        content = await self._retries.call_once(
            self._requests.ask, path, params, None, authorize=True
        )
        return read(self._requests.parse(content, path))

    async def query(self, query: Query, *, once: bool = False) -> Listing:
        """Ask for a listing, all of whose rows are understood.

        Parameters
        ----------
        query
            What to ask.
        once
            Make one attempt, and do not take its failure for the server's.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere; a `BadAnswerError` also where there are too many rows.
        """
        listing = joined(await self.listings(query, None, once=once))
        if listing.is_stopped:
            del listing  # who keeps the error would keep the rows
            raise TooManyRowsError(self._most_rows)
        return listing

    async def listings(
        self, query: Query, known: KnownRows | None, *, once: bool = False
    ) -> list[Listing]:
        """Ask for a listing; a rectangle over right ascension 0 is asked for in two parts.

        Of too many rows that are not known the first are returned, `Listing.is_stopped`.

        Parameters
        ----------
        query
            What to ask.
        known
            The rows that need not be understood.
        once
            Make one attempt, and do not take its failure for the server's.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere.
        """
        program, left, listings = query.subject.program, self._most_rows, list[Listing]()
        for part in _parts(query):
            listing = await _without_answer(
                self._naming(program, self._listed(part, known, left, once=once))
            )
            listings.append(listing)
            if listing.is_stopped:
                break
            left -= listing.received - listing.seen.count(1)
        return listings

    async def _naming(self, program: str, work: Awaitable[T]) -> T:
        """Return the answer to a question; of a refusal say which credential is refused."""
        try:
            return await work
        except CredentialsRefusedError as refused:
            raise await self._which_refused(program, refused) from None

    async def _which_refused(
        self, program: str, refused: CredentialsRefusedError
    ) -> CredentialsRefusedError:
        """Ask whether user and password are accepted: otherwise the program's key is not."""
        try:
            await self._requests.ask("/validation/user", {}, None, authorize=True)
        except CredentialsRefusedError as user:
            return user_refused(user)
        except WinterSyncError:
            return refused
        return key_refused(refused, program)

    async def _listed(
        self, query: Query, known: KnownRows | None, most: int, *, once: bool
    ) -> Listing:
        path = "/images/query"
        return await (
            self._retries.call_once(self._read_listing, path, query, known, most)
            if once
            else self._retries.call(path, self._read_listing, path, query, known, most)
        )

    async def _read_listing(
        self, path: str, query: Query, known: KnownRows | None, most: int
    ) -> Listing:
        """Ask for a listing once, and understand it while it arrives.

        That is done off the event loop, as tens of thousands of rows take seconds.
        """
        subject = query.subject
        params = {
            **self._requests.program_params(subject.program),
            "instrument": subject.instrument.value,
        }
        reader = ListingReader(query, known, most)

        async def receive(block: bytes) -> None:
            await run_in_thread(self._reader, reader.feed, block)

        try:
            await self._requests.stream(path, params, [query_body(query)], receive)
            listing = await run_in_thread(self._reader, reader.close)
        except TooManyRowsError:
            listing = reader.so_far()
        except (ValueError, RecursionError):
            raise self._requests.not_json(reader.beginning, path) from None
        finally:
            reader.discard()
        shown = (escape_unprintable(self.redacted(fault)) for fault in listing.faults)
        return replace(listing, faults=tuple(shown))

    @asynccontextmanager
    async def download(self, batch: Batch) -> AsyncIterator[Download]:
        """Ask for the zip of a batch.

        A failure before the first byte is retried here, unless it was silence: so large a zip may
        be too much for the server. After that the caller keeps what arrived and asks for the rest.
        Each attempt waits for a slot, and the one that begins keeps it until it has ended.
        """
        beginning, slot = await self._retries.call("a download", self._begin_download, batch)
        requests = self._requests
        try:
            yield Download(beginning, slot, requests.route, requests.timeouts, self._time.monotonic)
        finally:
            beginning.response.close()
            slot.release()

    async def _slot(self) -> Slot:
        """Take a slot; the server may have begun to fail while there was none.

        Raises
        ------
        CircuitOpenError
            If it does not respond for longer than the patience.
        """
        while True:
            slot = await self.slots.take()
            if not self.server.is_held:
                return slot
            slot.release()
            await self.server.circuit_breaker.wait_until_allowed()

    async def _begin_download(self, batch: Batch) -> tuple[Beginning, Slot]:
        """Ask once for the zip of a batch, in a slot that the caller releases."""
        slot = await self._slot()
        try:
            return await self._requests.begin_download(batch), slot
        except BaseException as error:
            if isinstance(error, TransientError):
                slot.record_failure(error)
            slot.release()
            raise

    async def _ask(
        self, path: str, *, params: Mapping[str, str] | None = None, authorize: bool = True
    ) -> Json:
        content = await self._retries.call(
            path, self._requests.ask, path, params or {}, None, authorize=authorize
        )
        return self._requests.parse(content, path)

    def redacted(self, text: str) -> str:
        """Return a text without our secrets: what the server sends may repeat what we sent."""
        return self._requests.redacted(text)


def _parts(query: Query) -> Sequence[Query]:
    """Return a query in parts that the archive understands: one for most."""
    region = query.subject.region
    if not isinstance(region, Rectangle):
        return (query,)
    return [replace(query, subject=replace(query.subject, region=part)) for part in region.parts]


async def _without_answer(work: Awaitable[T]) -> T:
    """Return the answer to a question; an error that it raises holds nothing of the answer.

    Errors are kept for the report while more is asked for, and a traceback keeps whatever its
    frames hold.
    """
    try:
        return await work
    except WinterSyncError as error:
        error.__context__ = error.__cause__ = None
        raise error.with_traceback(None) from None
