"""What an exchange with the archive can end in: bytes, or one of our errors.

What aiohttp raises is never passed on or chained, because its text holds the URL and with it the
program's key.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import zlib
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import aiohttp
from aiohttp.client_proto import ResponseHandler

from winter_sync.archive.connection_errors import proxy_wants_credentials
from winter_sync.archive.error_words import TRY_LATER
from winter_sync.archive.server_clock import http_date
from winter_sync.archive.transport_errors import (
    LONGEST_HEADER,
    MOST_HEADERS,
    explain_transport_error,
    moved,
    too_many_informational,
)
from winter_sync.core import (
    BadAnswerError,
    LeftAloneError,
    MisconfiguredError,
    RefusedError,
    RejectedQueryError,
    SilentError,
    TransientError,
    WinterSyncError,
    escape_unprintable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.http import RawResponseMessage

    from winter_sync.archive.route import Route

_LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; tens of thousands of rows. A window that has more is halved."""
_MOST_VALUES = 800_000
"""In one answer, as far as its punctuation tells: each takes some 70 bytes of memory, however few
bytes it was sent in. A listing with as many rows as are taken has half a million."""
_UNWELL = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOST_INFORMATIONAL = 16
"""Answers like `100 Continue` before the one that counts; each costs us time, and none says
anything."""
_READ_BUFFER = 512 * 1024
_PLAIN = frozenset({"", "identity"})
_GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls the format of a gzip file."""


class _Handler(ResponseHandler):
    """A connection on which a server cannot announce an answer for ever."""

    informational = 0

    async def read(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        message, payload = await super().read()
        is_informational = HTTPStatus.CONTINUE <= message.code < HTTPStatus.OK
        self.informational = self.informational + 1 if is_informational else 0
        if self.informational > _MOST_INFORMATIONAL:
            raise _TooManyInformationalError
        return message, payload


class _TooManyInformationalError(aiohttp.ClientError):
    """Raised below aiohttp, which closes the connection; `TransportErrors` explains it."""


class _Connector(aiohttp.TCPConnector):
    """Makes connections of our own kind, a new one for each request.

    What a server sends on a connection that nobody reads from would be kept without bound, and
    taken for the answer to the next request.
    """

    def __init__(self, limit: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(limit=limit, ssl=tls or True, force_close=True)
        self._factory = partial(_Handler, loop=self._loop)  # type: ignore[assignment] # partial is invariant


def open_session(route: Route, connections: int, user_agent: str) -> aiohttp.ClientSession:
    """Open a session that follows no redirect, keeps no cookie and decodes nothing by itself.

    It goes by no proxy but the route's, and takes the authorities of certificates from where
    OpenSSL finds them (`SSL_CERT_FILE`, `SSL_CERT_DIR`) now.
    """
    proxy = route.proxy
    needs_tls = route.is_tls or (proxy is not None and proxy.address.startswith("https:"))
    session = aiohttp.ClientSession(
        connector=_Connector(connections, ssl.create_default_context() if needs_tls else None),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=None, sock_connect=route.connect),
        headers={"User-Agent": user_agent},
        proxy=None if proxy is None else proxy.address,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        read_bufsize=_READ_BUFFER,
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
        max_headers=MOST_HEADERS,
        trust_env=False,
    )
    # aiohttp would send each request that breaks a second time, beside our spacing and counting;
    # it means connections that went stale unused, and we keep none.
    session._retry_connection = False  # noqa: SLF001 - there is no parameter for it
    return session


def basic_authorization(user: str, password: str) -> str:
    """Return the value of a header for Basic authorization (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def proxy_authorization(route: Route) -> dict[str, str]:
    """Return the header that the proxy asks for; empty where it has no user.

    For http:// it travels with the request, for https:// with the tunnel's.
    """
    proxy = route.proxy
    if proxy is None or not proxy.user:
        return {}
    return {"Proxy-Authorization": basic_authorization(proxy.user, proxy.password)}


async def read_available(
    response: aiohttp.ClientResponse, silence: float | None, route: Route
) -> bytes:
    """Read whatever has arrived, waiting at most `silence` seconds for more; empty at the end."""
    try:
        async with time_limit(silence, "anything more of a download"):
            with TransportErrors(route):
                return await response.content.readany()
    except TransientError:
        response.close()
        raise


@asynccontextmanager
async def time_limit(
    seconds: float | None, what: str, error: type[TransientError] = TransientError
) -> AsyncIterator[None]:
    """Wait this many seconds for what the server sends, for ever when None; then raise an error."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise error(
            f"the server did not send {what} within {seconds or 0:g} s",
            remedy=TRY_LATER,
        ) from None


async def read_whole(response: aiohttp.ClientResponse, route: Route) -> bytes:
    """Read an answer that is no download; it may be compressed as we allow (gzip).

    Raises
    ------
    BadAnswerError
        If it is compressed in another way, or too large, or would be when it is understood.
    TransientError
        If the connection breaks.
    """
    is_gzip = _encoding(response) == "gzip"
    if not is_gzip:
        refuse_encoding(response)
    inflater = zlib.decompressobj(_GZIP)
    content = bytearray()
    while block := await read_available(response, None, route):
        content += _inflated(inflater, block, len(content)) if is_gzip else block
        if len(content) > _LARGEST_ANSWER:
            raise _too_much(f"{_LARGEST_ANSWER} bytes")
    if is_gzip and (inflater.unused_data or not inflater.eof):
        raise _broken_gzip()
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise _too_much(f"{_MOST_VALUES} values")
    return bytes(content)


class _Inflater(Protocol):
    """What zlib gives for decompressing; it has no name for it."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


def _inflated(inflater: _Inflater, block: bytes, so_far: int) -> bytes:
    """Decompress a block, and no more of it than an answer may have."""
    if inflater.eof:
        raise _broken_gzip()
    try:
        return inflater.decompress(block, _LARGEST_ANSWER + 1 - so_far)
    except zlib.error:
        raise _broken_gzip() from None


def _broken_gzip() -> BadAnswerError:
    return BadAnswerError("the server's answer is not valid gzip", remedy=TRY_LATER)


async def read_beginning(response: aiohttp.ClientResponse, longest: int, route: Route) -> bytes:
    """Read the beginning of an answer that is an error, decompressed where that can be done."""
    with TransportErrors(route):
        content = await response.content.read(longest)
    if _encoding(response) != "gzip":
        return content
    with suppress(zlib.error):
        return zlib.decompressobj(_GZIP).decompress(content, longest)
    return b""


def refuse_encoding(response: aiohttp.ClientResponse) -> None:
    """Make sure that an answer is not compressed.

    Raises
    ------
    BadAnswerError
        If it is: we asked for it as it is, and a few bytes can hide millions.
    """
    encoding = _encoding(response)
    if encoding not in _PLAIN:
        raise BadAnswerError(
            "the server compressed its answer in a way that we did not ask for "
            f"(Content-Encoding: {escape_unprintable(encoding, 40)})",
            remedy=f"{TRY_LATER} If it stays so, a proxy in between may do it.",
        )


def _encoding(response: aiohttp.ClientResponse) -> str:
    return ", ".join(response.headers.getall("Content-Encoding", ())).strip().lower()


class TransportErrors:
    """Turns what aiohttp raises into our errors, leaving its text, and so any secret, behind."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, WinterSyncError):
            return
        if isinstance(error, _TooManyInformationalError):
            said: WinterSyncError | None = too_many_informational(self._route, _MOST_INFORMATIONAL)
        else:
            said = explain_transport_error(error, self._route)
        if said is None:
            return
        try:
            raise said from None
        finally:
            said.__context__ = None


def _too_much(limit: str) -> BadAnswerError:
    return BadAnswerError(f"the server's answer has more than {limit}", remedy=TRY_LATER)


def is_worth_retrying(error: BaseException) -> bool:
    """Return whether the same request, made again soon, may succeed."""
    hopeless = isinstance(error, LeftAloneError | SilentError | MisconfiguredError)
    return isinstance(error, TransientError) and not hopeless


def status_error(
    response: aiohttp.ClientResponse, said: str, route: Route, redact: Callable[[str], str]
) -> WinterSyncError:
    """Return the error that the status of an answer is.

    Parameters
    ----------
    response
        The answer.
    said
        What its body says of it, without a secret.
    route
        How it came; a proxy on the way may have answered instead of the server.
    redact
        Takes secrets out of a text.
    """
    status = response.status
    who = f"the server, or the proxy {route.proxy.address}," if route.proxy else "the server"
    if status in _MOVED:
        return moved(status, response.headers.get("Location"), route, redact)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and route.proxy is not None:
        return proxy_wants_credentials(route.proxy)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RefusedError(
            f"{who} refuses our credentials ({status}): {said}",
            remedy="Check the user, the password and the program's key; `winter-sync check` "
            "says which is wrong.",
        )
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return RejectedQueryError(
            f"the server rejects the request (422): {said}",
            remedy="It is tried again at the next poll. If it stays so, check the clock and what "
            "is asked for: targets, cones, rectangles.",
        )
    if status in _UNWELL:
        return TransientError(
            f"{who} returns errors ({status}): {said}",
            remedy=TRY_LATER,
            retry_after=_retry_after(response),
        )
    return BadAnswerError(
        f"{who} answers {status}: {said}",
        remedy="Check api.base_url: is it the observatory's API?",
    )


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3), by the server's clock."""
    given = response.headers.get("Retry-After", "").strip()
    if given.isdecimal():
        return float(given)
    when, now = http_date(given), http_date(response.headers.get("Date"))
    return None if when is None or now is None else max(0.0, (when - now).total_seconds())
