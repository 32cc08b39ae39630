"""One request to the archive: spaced out, authorized, its status checked, its answer read.

Every failure leaves here as one of our errors: what aiohttp raises is never passed on or chained,
because its text holds the URL and with it the program's key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from winter_sync import __version__
from winter_sync.archive.connections import TransportErrors, open_session
from winter_sync.archive.error_words import TRY_LATER
from winter_sync.archive.rate_limit import RateLimit
from winter_sync.archive.responses import (
    basic_authorization,
    proxy_authorization,
    read_available,
    read_beginning,
    read_blocks,
    read_whole,
    refuse_encoding,
    status_error,
    time_limit,
)
from winter_sync.archive.route import Route
from winter_sync.core import BadAnswerError, ErrorCode, NoAnswerError, escape_unprintable, redactor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import aiohttp

    from winter_sync.core import Batch, Credentials, Proxy, Time

Json = Any
"""What JSON holds is checked where it is read."""

_QUOTED = 80
_LOOKED_AT = 4096
_LONGEST_DETAIL = 500
_BLOCK = 256 * 1024
"""Bytes: a thread understands so much in some milliseconds."""


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


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Beginning:
    """The answer to a download request whose first bytes have arrived.

    Attributes
    ----------
    response
        The answer, its status and headers checked.
    first
        Its first bytes.
    waited
        Seconds from the request to these.
    """

    response: aiohttp.ClientResponse
    first: bytes
    waited: float


class Requests:
    """Makes single requests with one user's credentials. Use as an async context manager.

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
        How many may be open at once.
    timeouts
        The longest waits.
    time
        A monotonic clock, and how to wait.
    on_date
        Called with the `Date` header of every answer.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        base_url: str,
        credentials: Credentials,
        *,
        proxy: Proxy | None,
        interval: float,
        connections: int,
        timeouts: Timeouts,
        time: Time,
        on_date: Callable[[str | None], None],
    ) -> None:
        self.route = Route(base_url, proxy, timeouts.connect)
        self.timeouts = timeouts
        self._credentials = credentials
        self._redact = redactor(replace(credentials, others=() if proxy is None else proxy.secrets))
        self._rate_limit = RateLimit(interval, time)
        self._monotonic = time.monotonic
        self._connections = connections
        self._on_date = on_date
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        agent = f"winter-sync/{__version__}"
        self._session = open_session(self.route, self._connections, agent)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def program_params(self, name: str) -> dict[str, str]:
        """Return the parameters by which a request is made under a program."""
        return {"program_name": name, "program_api_key": self._credentials.keys[name]}

    async def ask(
        self, path: str, params: Mapping[str, str], body: object, *, authorize: bool
    ) -> bytes:
        """Make one request and return its whole answer."""
        await self._rate_limit.wait_turn()
        async with time_limit(self.timeouts.query, f"its whole answer to {path}"):
            response = await self._get(path, params=params, body=body, authorize=authorize)
            async with response:
                await self._check_status(response)
                return await read_whole(response, self.route)

    async def stream(
        self,
        path: str,
        params: Mapping[str, str],
        body: object,
        receive: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Make one request, and pass its answer on while it arrives, in large blocks."""
        await self._rate_limit.wait_turn()
        async with time_limit(self.timeouts.query, f"its whole answer to {path}"):
            response = await self._get(path, params=params, body=body)
            async with response:
                await self._check_status(response)
                gathered = bytearray()
                async for block in read_blocks(response, self.route):
                    gathered += block
                    if len(gathered) >= _BLOCK:
                        await receive(bytes(gathered))
                        gathered.clear()
                await receive(bytes(gathered))

    async def begin_download(self, batch: Batch) -> Beginning:
        """Ask for the zip of a batch, and wait for its first bytes."""
        params = {
            **self.program_params(batch.program),
            "instrument": batch.instrument.value,
            "image_type": batch.image_type.value,
        }
        paths = [{"path": candidate.product.savepath} for candidate in batch.candidates]
        longest = self.timeouts.first_byte
        await self._rate_limit.wait_turn()
        began = self._monotonic()
        async with time_limit(longest, "the first byte of a download", NoAnswerError):
            response = await self._get(
                "/images/download_list", params=params, body=paths, encoding="identity"
            )
            try:
                await self._check_status(response)
                refuse_encoding(response)
                first = await read_available(response, None, self.route)
                return Beginning(response, first, self._monotonic() - began)
            except BaseException:
                response.close()
                raise

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
        to_proxy = proxy_authorization(self.route)
        with TransportErrors(self.route):
            response = await self._session.get(
                self.route.base_url + path,
                params=params,
                json=body,
                headers={
                    "Accept-Encoding": encoding,
                    **(self._authorization() if authorize else {}),
                    **({} if self.route.is_tls else to_proxy),
                },
                proxy_headers=to_proxy,
                allow_redirects=False,
            )
        self._on_date(response.headers.get("Date"))
        return response

    def _authorization(self) -> dict[str, str]:
        credentials = self._credentials
        return {"Authorization": basic_authorization(credentials.user, credentials.password)}

    async def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status == HTTPStatus.OK:
            return
        detail = self._detail(await read_beginning(response, _LOOKED_AT, self.route))
        raise status_error(response, detail, self.route, self._redact)

    # --- what the server says, without any secret in it ----------------------------------------

    def redacted(self, text: str) -> str:
        """Return a text without our secrets: what the server sends may repeat what we sent."""
        return self._redact(text)

    def shown(self, value: object) -> str | None:
        """Return a value of the archive's as it may be shown; None if there is none."""
        return escape_unprintable(self.redacted(str(value)), _LONGEST_DETAIL) if value else None

    def parse(self, content: bytes, path: str) -> Json:
        """Read JSON; an answer to `/ping` may be anything."""
        if path == "/ping":
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self.not_json(content, path) from None

    def not_json(self, content: bytes, path: str) -> BadAnswerError:
        """Return the error that an answer, of which at least the beginning is given, is no JSON."""
        return BadAnswerError(
            f"the server's answer to {path} is not JSON but begins with {self._quoted(content)}",
            remedy=TRY_LATER,
            code=ErrorCode.ARCHIVE_ANSWER,
        )

    def _detail(self, content: bytes) -> str:
        """Return what an error's body says to a person."""
        try:
            detail = json.loads(content)["detail"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._quoted(content) if content else "nothing more"
        if isinstance(detail, list):
            faults = (fault for fault in detail if isinstance(fault, dict))
            detail = "; ".join(str(fault.get("msg", "")) for fault in faults)
        return escape_unprintable(self.redacted(str(detail)), _LONGEST_DETAIL)

    def _quoted(self, content: bytes) -> str:
        """Return how an answer begins; secrets are taken out before it is shortened."""
        text = content[:_LOOKED_AT].decode(errors="backslashreplace")
        return f'"{escape_unprintable(self.redacted(text), _QUOTED)}"'
