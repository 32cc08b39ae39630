"""What an exchange with the archive can end in: bytes, or one of our errors.

What aiohttp raises is never passed on or chained, because its text holds the URL and with it the
program's key.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from winter_sync.errors import (
    BadAnswerError,
    LeftAloneError,
    RefusedError,
    RejectedQueryError,
    SilentError,
    TransientError,
    WinterSyncError,
)
from winter_sync.server_clock import http_date

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRY_LATER = "Nothing is lost: it is tried again at the next poll."
"""What to do about what may pass by itself."""
_LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes; tens of thousands of rows. A window that has more is halved."""
_MOST_VALUES = 2_000_000
"""In one answer, as far as its punctuation tells: each takes some 70 bytes of memory, however few
bytes it was sent in. A listing of the largest size has a million."""
_UNWELL = frozenset({408, 425, 429, 500, 502, 503, 504})


async def read(response: aiohttp.ClientResponse, silence: float | None) -> bytes:
    """Read whatever has arrived, waiting at most `silence` seconds for more; empty at the end."""
    try:
        async with in_time(silence, "more of a download"):
            with wire(response.host):
                return await response.content.readany()
    except TransientError:
        response.close()
        raise


@asynccontextmanager
async def in_time(
    seconds: float | None, what: str, error: type[TransientError] = TransientError
) -> AsyncIterator[None]:
    """Wait so many seconds for what the server sends, for ever when None; then raise an error."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise error(
            f"the server was silent for {seconds or 0:g} s while we waited for {what}",
            remedy=TRY_LATER,
        ) from None


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer that is no download.

    Raises
    ------
    BadAnswerError
        If it is too large to be one, or would be when it is understood.
    TransientError
        If the connection breaks.
    """
    content = bytearray()
    while block := await read(response, None):
        content += block
        if len(content) > _LARGEST_ANSWER:
            raise _too_much(f"{_LARGEST_ANSWER} bytes")
    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise _too_much(f"{_MOST_VALUES} values")
    return bytes(content)


class wire:  # noqa: N801 - reads as a word at its calls
    """Turns what aiohttp raises into our errors, leaving its text, and so any secret, behind."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise TransientError(
                f"{self._where} cannot be reached: {_reason(error.os_error)}",
                remedy="Check the network and api.base_url; is the server up?",
            ) from None
        if isinstance(error, aiohttp.InvalidURL):
            raise BadAnswerError(
                "api.base_url is no address", remedy="Write it like http://winter.caltech.edu:82."
            ) from None
        if isinstance(error, TimeoutError):
            raise TransientError(
                f"{self._where} did not answer in time", remedy=TRY_LATER
            ) from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise TransientError(
                f"the connection to {self._where} broke ({type(error).__name__})",
                remedy=TRY_LATER,
            ) from None


def _reason(error: OSError) -> str:
    """Say why a connection failed; the system's word, or the resolver's for a name."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


def _too_much(limit: str) -> BadAnswerError:
    return BadAnswerError(f"the server's answer has more than {limit}", remedy=TRY_LATER)


def may_pass(error: BaseException) -> bool:
    """Tell whether the same request, made again soon, may succeed."""
    hopeless = isinstance(error, LeftAloneError | SilentError)
    return isinstance(error, TransientError) and not hopeless


def status_error(response: aiohttp.ClientResponse, said: str) -> WinterSyncError:
    """Give the error that the status of an answer is; `said` is what its body says of it."""
    status = response.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RefusedError(
            f"the server refuses our credentials ({status}): {said}",
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
            f"the server is unwell ({status}): {said}",
            remedy=TRY_LATER,
            retry_after=_retry_after(response),
        )
    return BadAnswerError(
        f"the server answers {status}: {said}",
        remedy="Check api.base_url: is it the observatory's API?",
    )


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3), by the server's clock."""
    given = response.headers.get("Retry-After", "").strip()
    if given.isdecimal():
        return float(given)
    when, now = http_date(given), http_date(response.headers.get("Date"))
    return None if when is None or now is None else max(0.0, (when - now).total_seconds())
