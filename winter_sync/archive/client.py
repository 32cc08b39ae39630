"""The archive's query API: questions in, listings and streams of bytes out.

The wire contract is winter-api.md, "Endpoints". Every failure leaves here as one of our errors:
what aiohttp raises is never passed on or chained, because its text holds the URL and with it the
program's key.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from winter_sync import __version__
from winter_sync.archive.circuit_breaker import Circuit, Closed, Opened
from winter_sync.archive.listing import Listing, read_listing
from winter_sync.archive.rate_limit import Pace
from winter_sync.archive.responses import (
    basic,
    in_time,
    may_pass,
    open_session,
    proxy_authorization,
    read,
    read_beginning,
    read_whole,
    refuse_encoding,
    status_error,
    wire,
)
from winter_sync.archive.server_clock import ServerClock
from winter_sync.archive.throughput import Flow
from winter_sync.archive.transport_errors import TRY_LATER, Route
from winter_sync.core import (
    FAILED_REQUEST,
    REAL_TIME,
    BadAnswerError,
    Batch,
    ClocksDiffer,
    Cone,
    Credentials,
    Program,
    Query,
    Rectangle,
    RefusedError,
    Retrying,
    ServerFailing,
    ServerRecovered,
    SilentError,
    Sink,
    Target,
    Time,
    TransientError,
    WinterSyncError,
    escape_unprintable,
    redactor,
    run_in_thread,
)

if TYPE_CHECKING:
    import aiohttp

    from winter_sync.core import Proxy

Json = Any
"""What JSON holds is checked where it is read."""

_QUOTED = 80
_LOOKED_AT = 4096
_LONGEST_DETAIL = 500
_LONGEST_COUNT = 9
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Longest waits, seconds. None of them bounds a download that goes on.

    A download goes on as long as it brings `floor` bytes a second, averaged over `window` seconds.
    """

    connect: float = 15.0
    query: float = 120.0
    first_byte: float = 600.0
    silence: float = 60.0
    floor: float = 1000.0
    window: float = 60.0


class Download:
    """The answer to a batch: what its headers say, and its bytes."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        first: bytes,
        route: Route,
        timeouts: Timeouts,
        monotonic: Callable[[], float],
    ) -> None:
        self.missing = _count(response.headers.get("missing-images"))
        """How many of the products the server says it does not have; None if it does not say."""
        self._response = response
        self._first = first
        self._route = route
        self._silence = timeouts.silence
        self._flow = Flow(timeouts.floor, timeouts.window)
        self._monotonic = monotonic

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come, in blocks of up to a megabyte.

        Raises
        ------
        TransientError
            If the connection breaks, falls silent or only drips.
        """
        block = self._first
        while block:
            yield block
            began = self._monotonic()
            block = await read(self._response, self._silence, self._route)
            self._flow.came(len(block), self._monotonic() - began)
            if block and self._flow.too_slow:
                self._response.close()
                raise TransientError(
                    f"the download came too slowly to go on: {self._flow.rate:.0f} bytes a second",
                    remedy=TRY_LATER,
                )


class Api:
    """A client of one archive, with one user's credentials.

    Use as an async context manager.

    Parameters
    ----------
    base_url
        Scheme, host and port, without a slash at the end.
    credentials
        The user, the password and the programs' keys.
    proxy
        The proxy to go by; None for none, whatever the environment says.
    interval
        Least time between the starts of two requests, seconds.
    connections
        How many downloads run at once.
    timeouts
        The longest waits.
    time
        Clocks, how to wait, and chance, which spreads retries and probes of an unwell server.
    patience
        How many seconds a request may be held while the server is unwell.
    emit
        Hears when a request is tried again, and when the server is unwell and well again.
    """

    def __init__(  # noqa: PLR0913 - what differs between a daemon, a one-off and a test
        self,
        base_url: str,
        credentials: Credentials,
        *,
        proxy: Proxy | None = None,
        interval: float = 1.0,
        connections: int = 4,
        timeouts: Timeouts = Timeouts(),
        time: Time = REAL_TIME,
        patience: float = 120.0,
        emit: Sink = lambda _: None,
    ) -> None:
        self.base_url = base_url
        self._credentials = credentials
        self._route = Route(base_url, proxy, timeouts.connect)
        self._redact = redactor(replace(credentials, others=() if proxy is None else proxy.secrets))
        self._pace = Pace(interval, time)
        self._connections = connections
        self._timeouts = timeouts
        self._server_clock = ServerClock(time, self._tell_clocks_differ)
        self._time = time
        self._emit = emit
        self._circuit = Circuit(
            probe=self.probe,
            time=time,
            patience=patience,
            emit=self._emit_circuit,
        )
        self._session: aiohttp.ClientSession | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="listing")

    async def __aenter__(self) -> Self:
        agent = f"winter-sync/{__version__}"
        self._session = open_session(self._route, self._connections + 2, agent)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.shutdown()
        if self._session is not None:
            await self._session.close()

    @property
    def clock_offset(self) -> timedelta | None:
        """How far the archive's clock, by its last answer, is ahead of ours; None if unknown."""
        return self._server_clock.offset

    @property
    def clock_is_believed(self) -> bool:
        """Whether the archive's clock is near enough to ours to decide which day it is."""
        return self._server_clock.is_believed

    @property
    def today(self) -> date:
        """The archive's UTC date by its last answer; ours where that is absent or not believed."""
        return self._server_clock.today

    @property
    def is_held(self) -> bool:
        """Whether the server is being left alone."""
        return self._circuit.is_open

    @property
    def held_because(self) -> str:
        """Why requests are being held, for a person; empty while they are not."""
        return self._circuit.reason

    @property
    def held_until(self) -> float:
        """Until when it is, by the monotonic clock; in the past while it is not."""
        return self._circuit.held_until

    async def ping(self) -> None:
        """Make sure that the server answers.

        Raises
        ------
        TransientError
            If it does not.
        """
        await self._ask("/ping", authorize=False)

    async def probe(self) -> None:
        """Ask for a sign of life, once and whether or not the server is being left alone.

        Any answer is one, even one that makes no sense.

        Raises
        ------
        TransientError
            If there is none.
        """
        with suppress(BadAnswerError, RefusedError):
            await self._ask_once("/ping", {}, None, authorize=False)

    def _emit_circuit(self, change: Opened | Closed) -> None:
        match change:
            case Opened(reason, pause):
                self._emit(ServerFailing(reason, pause))
            case Closed(seconds):
                self._emit(ServerRecovered(seconds))

    def _tell_clocks_differ(self, offset: timedelta) -> None:
        self._emit(ClocksDiffer(offset.total_seconds()))

    async def check_user(self) -> None:
        """Make sure that user and password are accepted.

        Raises
        ------
        RefusedError
            If they are not.
        """
        await self._ask("/validation/user")

    async def program(self, name: str) -> Program:
        """Ask for a program's span.

        Raises
        ------
        RefusedError
            If the program is not ours to see or its key is wrong.
        """
        answer = await self._ask("/validation/program", params=self._program_params(name))
        body = answer.get("body") if isinstance(answer, Mapping) else None
        if not isinstance(body, Mapping):
            raise BadAnswerError(f"the answer about program {name} has no body", remedy=TRY_LATER)
        return Program(
            name=name,
            start=_date(body.get("startdate")),
            end=_date(body.get("enddate")),
            title=self._shown(body.get("progtitle")),
        )

    def _shown(self, value: object) -> str | None:
        """Return a value of the archive's as it may be shown; None if there is none."""
        return escape_unprintable(self.redacted(str(value)), _LONGEST_DETAIL) if value else None

    async def query(self, query: Query) -> Listing:
        """Ask for a listing.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere.
        """
        try:
            return await self._listed(query, "/images/query")
        except WinterSyncError as error:
            # A failure is kept for the report while shorter spans are asked for: not so the
            # answer, which the frames of its traceback hold.
            error.__context__ = error.__cause__ = None
            raise error.with_traceback(None) from None

    async def _listed(self, query: Query, path: str) -> Listing:
        """Ask for a listing and understand the answer."""
        subject = query.subject
        content = await self._retrying(
            path,
            self._ask_once,
            path,
            {**self._program_params(subject.program), "instrument": subject.instrument.value},
            [query_body(query)],
            authorize=True,
        )
        return await run_in_thread(self._reader, self._listing, content, path, query)

    def _listing(self, content: bytes, path: str, query: Query) -> Listing:
        """Understand a listing; off the event loop, as tens of thousands of rows take seconds."""
        listing = read_listing(self._parse(content, path), query)
        shown = (escape_unprintable(self.redacted(fault)) for fault in listing.faults)
        return replace(listing, faults=tuple(shown))

    @asynccontextmanager
    async def download(self, batch: Batch) -> AsyncIterator[Download]:
        """Ask for the zip of a batch.

        Failing before the first byte, it is tried again here, unless by silence: so large a zip
        may be too much for the server. Afterwards it is the caller's to keep what came and ask for
        the rest.
        """
        response, first = await self._retrying("a download", self._begin_download, batch)
        try:
            yield Download(response, first, self._route, self._timeouts, self._time.monotonic)
        finally:
            response.close()

    async def _begin_download(self, batch: Batch) -> tuple[aiohttp.ClientResponse, bytes]:
        params = {
            **self._program_params(batch.program),
            "instrument": batch.instrument.value,
            "image_type": batch.image_type.value,
        }
        paths = [{"path": candidate.product.savepath} for candidate in batch.candidates]
        first_byte = in_time(self._timeouts.first_byte, "the first byte of a download", SilentError)
        await self._pace.turn()
        async with first_byte:
            response = await self._get(
                "/images/download_list",
                params=params,
                body=paths,
                encoding="identity",
            )
            try:
                await self._check_status(response)
                refuse_encoding(response)
                return response, await read(response, None, self._route)
            except BaseException:
                response.close()
                raise

    async def _ask(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        authorize: bool = True,
    ) -> Json:
        content = await self._retrying(
            path, self._ask_once, path, params or {}, body, authorize=authorize
        )
        return self._parse(content, path)

    async def _ask_once(
        self, path: str, params: Mapping[str, str], body: object, *, authorize: bool
    ) -> bytes:
        await self._pace.turn()
        async with in_time(self._timeouts.query, f"its whole answer to {path}"):
            response = await self._get(path, params=params, body=body, authorize=authorize)
            async with response:
                await self._check_status(response)
                return await read_whole(response, self._route)

    async def _get(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        body: object,
        encoding: str = "gzip",
        authorize: bool = True,
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the client is not open")
        # With `json`, aiohttp sends the application/json that newer servers insist on.
        to_proxy = proxy_authorization(self._route)
        with wire(self._route):
            response = await self._session.get(
                self.base_url + path,
                params=params,
                json=body,
                headers={
                    "Accept-Encoding": encoding,
                    **(self._authorization() if authorize else {}),
                    **({} if self._route.is_tls else to_proxy),
                },
                proxy_headers=to_proxy,
                allow_redirects=False,
            )
        self._server_clock.record(response.headers.get("Date"))
        return response

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": basic(self._credentials.user, self._credentials.password)}

    def _program_params(self, name: str) -> dict[str, str]:
        return {"program_name": name, "program_api_key": self._credentials.keys[name]}

    async def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status == HTTPStatus.OK:
            return
        said = self._said(await read_beginning(response, _LOOKED_AT, self._route))
        raise status_error(response, said, self._route, self._redact)

    def _said(self, content: bytes) -> str:
        """Give what an error's body says to a person, without any secret in it."""
        try:
            detail = json.loads(content)["detail"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._quoted(content) if content else "nothing more"
        if isinstance(detail, list):
            detail = "; ".join(str(one.get("msg", "")) for one in detail if isinstance(one, dict))
        return escape_unprintable(self.redacted(str(detail)), _LONGEST_DETAIL)

    def _quoted(self, content: bytes) -> str:
        """Show how an answer begins; secrets are taken out before it is shortened."""
        text = content[:_LOOKED_AT].decode(errors="backslashreplace")
        return f'"{escape_unprintable(self.redacted(text), _QUOTED)}"'

    def redacted(self, text: str) -> str:
        """Give a text without our secrets: what the server sends may repeat what we sent."""
        return self._redact(text)

    def _parse(self, content: bytes, path: str) -> Json:
        if path == "/ping":
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise BadAnswerError(
                f"the server's answer to {path} is not JSON but begins with "
                f"{self._quoted(content)}",
                remedy=TRY_LATER,
            ) from None

    async def _retrying(
        self, what: str, call: Callable[..., Awaitable[Any]], *args: object, **kwargs: object
    ) -> Json:
        retrying = AsyncRetrying(
            sleep=self._time.sleep,
            stop=stop_after_attempt(_ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception(may_pass),
            before_sleep=self._note_retry,
            reraise=True,
            name=what,
        )
        return await retrying(self._attempt, call, *args, **kwargs)

    async def _attempt(
        self, call: Callable[..., Awaitable[Any]], *args: object, **kwargs: object
    ) -> Json:
        """Make one call, as soon as the server may be asked, and note how it took it."""
        await self._circuit.passage()
        try:
            answer = await call(*args, **kwargs)
        except TransientError as unwell:
            self._circuit.failed(unwell)
            raise
        except WinterSyncError:
            self._circuit.succeeded()
            raise
        self._circuit.succeeded()
        return answer

    def _wait(self, state: RetryCallState) -> float:
        """Give the seconds before the next attempt; an open circuit does its own waiting."""
        if self._circuit.is_open:
            return 0.0
        return FAILED_REQUEST.delay(state.attempt_number, self._time.random()).total_seconds()

    def _note_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        self._emit(Retrying(str(error), state.upcoming_sleep))


def query_body(query: Query) -> dict[str, object]:
    """Write a query as the server's models name it (winter-api.md, "Endpoints")."""
    body: dict[str, object] = {
        "program_name": query.subject.program,
        "start_date": _whole_date(query.start),
        "image_type": query.subject.image_type.value,
    }
    if query.end is not None:
        body["end_date"] = _whole_date(query.end)
    match query.subject.region:
        case Target(name):
            body["target_name"] = name
        case Cone(ra, dec, radius):
            body |= {"ra": ra, "dec": dec, "radius_deg": radius}
        case Rectangle(ra_min, ra_max, dec_min, dec_max):
            body |= {"ra_min": ra_min, "ra_max": ra_max, "dec_min": dec_min, "dec_max": dec_max}
    return body


def _count(header: str | None) -> int | None:
    given = (header or "").strip()
    return int(given) if given.isdecimal() and len(given) <= _LONGEST_COUNT else None


def _whole_date(day: date) -> int:
    return int(f"{day:%Y%m%d}")


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
