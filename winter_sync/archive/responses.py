"""What an exchange with the archive can end in: bytes, or one of our errors.

What aiohttp raises is never passed on or chained, because its text holds the URL and with it the
program's key.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from winter_sync.archive.connection_errors import proxy_wants_credentials
from winter_sync.archive.connections import TransportErrors
from winter_sync.archive.error_words import TRY_LATER
from winter_sync.archive.server_clock import http_date
from winter_sync.archive.transport_errors import (
    moved,
)
from winter_sync.core import (
    BadAnswerError,
    CircuitOpenError,
    CredentialsRefusedError,
    ErrorCode,
    MisconfiguredError,
    NoAnswerError,
    RejectedQueryError,
    TransientError,
    WinterSyncError,
    escape_unprintable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import aiohttp

    from winter_sync.archive.route import Route

_LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes."""
_MOST_VALUES = 800_000
"""In one answer, as far as its punctuation shows: each takes some 70 bytes of memory, however few
bytes it was sent in."""
_PIECE = 256 * 1024
"""Bytes that are decompressed at once."""
_UNWELL = frozenset({408, 425, 429, 500, 502, 503, 504})
_OVERLOADED = frozenset({408, 429, 503, 504})
WHATEVER_REFUSED = "our credentials"
"""What is refused, as long as nobody knows which."""
_MOVED = frozenset({301, 302, 303, 307, 308})
_PLAIN = frozenset({"", "identity"})
_GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls the format of a gzip file."""


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
            is_overload=True,
            code=ErrorCode.NET_TIMEOUT,
        ) from None


async def read_whole(response: aiohttp.ClientResponse, route: Route) -> bytes:
    """Read an answer that is no download and no listing.

    Raises
    ------
    BadAnswerError, TransientError
        As `read_blocks` does; also if it is too large, or would be when it is understood.
    """
    content = bytearray()
    async for block in read_blocks(response, route):
        content += block
        if len(content) > _LARGEST_ANSWER:
            raise too_much(f"{_LARGEST_ANSWER} bytes")
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise too_much(f"{_MOST_VALUES} values")
    return bytes(content)


async def read_blocks(response: aiohttp.ClientResponse, route: Route) -> AsyncIterator[bytes]:
    """Read an answer that is no download; it may be compressed as we allow (gzip).

    Raises
    ------
    BadAnswerError
        If it is compressed in another way, or broken.
    TransientError
        If the connection breaks.
    """
    is_gzip = _encoding(response) == "gzip"
    if not is_gzip:
        refuse_encoding(response)
    inflater = zlib.decompressobj(_GZIP)
    while block := await read_available(response, None, route):
        for piece in _inflated(inflater, block) if is_gzip else (block,):
            yield piece
    if is_gzip and (inflater.unused_data or not inflater.eof):
        raise _broken_gzip()


class _Inflater(Protocol):
    """What zlib gives for decompressing; it has no name for it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


def _inflated(inflater: _Inflater, block: bytes) -> Iterator[bytes]:
    """Decompress a block piece by piece: a few bytes can hide millions."""
    if inflater.eof:
        raise _broken_gzip()
    piece = bytes(_PIECE)
    while len(piece) == _PIECE:
        try:
            piece = inflater.decompress(block, _PIECE)
        except zlib.error:
            raise _broken_gzip() from None
        yield piece
        block = inflater.unconsumed_tail


def _broken_gzip() -> BadAnswerError:
    return BadAnswerError(
        "the server's answer is not valid gzip", remedy=TRY_LATER, code=ErrorCode.ARCHIVE_ANSWER
    )


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
            code=ErrorCode.ARCHIVE_ANSWER,
        )


def _encoding(response: aiohttp.ClientResponse) -> str:
    return ", ".join(response.headers.getall("Content-Encoding", ())).strip().lower()


def too_much(limit: str) -> BadAnswerError:
    """Return the error that an answer is larger than is taken."""
    return BadAnswerError(
        f"the server's answer has more than {limit}",
        remedy=TRY_LATER,
        code=ErrorCode.ARCHIVE_ANSWER,
    )


def is_worth_retrying(error: BaseException) -> bool:
    """Return whether the same request, made again soon, may succeed."""
    hopeless = isinstance(error, CircuitOpenError | NoAnswerError | MisconfiguredError)
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
        The route it took; a proxy on the way may have answered instead of the server.
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
        return CredentialsRefusedError(
            f"{who} refuses {WHATEVER_REFUSED} ({status}): {said}",
            remedy="Check the user, the password and the program's key; `winter-sync check` "
            "says which is wrong.",
            code=ErrorCode.LOGIN_REFUSED,
        )
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return RejectedQueryError(
            f"the server rejects the request (422): {said}",
            remedy="It is tried again at the next poll. If it stays so, check the clock and what "
            "is asked for: targets, cones, rectangles.",
            code=ErrorCode.ARCHIVE_REJECTED,
        )
    if status in _UNWELL:
        return TransientError(
            f"{who} returns errors ({status}): {said}",
            remedy=TRY_LATER,
            retry_after=_retry_after(response),
            is_overload=status in _OVERLOADED,
            code=ErrorCode.ARCHIVE_ERRORS,
        )
    return BadAnswerError(
        f"{who} answers {status}: {said}",
        remedy="Check api.base_url: is it the observatory's API?",
        code=ErrorCode.ARCHIVE_ANSWER,
    )


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3), by the server's clock."""
    given = response.headers.get("Retry-After", "").strip()
    if given.isdecimal():
        return float(given)
    when, now = http_date(given), http_date(response.headers.get("Date"))
    return None if when is None or now is None else max(0.0, (when - now).total_seconds())
