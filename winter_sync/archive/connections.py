"""Connections to the archive: one for each request, and errors of ours for what aiohttp raises.

What aiohttp raises is never passed on or chained, because its text holds the URL and with it the
program's key.
"""

from __future__ import annotations

import ssl
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp.client_proto import ResponseHandler

from winter_sync.archive.aiohttp_client import aiohttp
from winter_sync.archive.transport_errors import (
    LONGEST_HEADER,
    MOST_HEADERS,
    explain_transport_error,
    too_many_informational,
)
from winter_sync.core import WinterSyncError

if TYPE_CHECKING:
    from aiohttp.http import RawResponseMessage

    from winter_sync.archive.route import Route

MOST_INFORMATIONAL = 16
"""Answers like `100 Continue` before the one that counts; each costs us time, and none says
anything."""
_READ_BUFFER = 512 * 1024


class _Handler(ResponseHandler):
    """A connection on which a server cannot announce an answer for ever."""

    informational = 0

    async def read(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        message, payload = await super().read()
        is_informational = HTTPStatus.CONTINUE <= message.code < HTTPStatus.OK
        self.informational = self.informational + 1 if is_informational else 0
        if self.informational > MOST_INFORMATIONAL:
            raise TooManyInformationalError
        return message, payload


class TooManyInformationalError(aiohttp.ClientError):
    """Raised below aiohttp, which closes the connection; `TransportErrors` explains it."""


class Connector(aiohttp.TCPConnector):
    """Makes connections of our own kind, at most so many and a new one for each request.

    What a server sends on a connection that no one reads from would be kept without bound, and
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
        connector=Connector(connections, ssl.create_default_context() if needs_tls else None),
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


class TransportErrors:
    """Turns what aiohttp raises into our errors, leaving its text, and so any secret, behind."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, WinterSyncError):
            return
        if isinstance(error, TooManyInformationalError):
            said: WinterSyncError | None = too_many_informational(self._route, MOST_INFORMATIONAL)
        else:
            said = explain_transport_error(error, self._route)
        if said is None:
            return
        try:
            raise said from None
        finally:
            said.__context__ = None
