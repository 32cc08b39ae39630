"""Why an exchange with the archive failed, in words, and what to do about it.

What aiohttp raises is read here and left behind: its text holds the URL, and with it the program's
key. Nothing of what a server sent is repeated but numbers and, of a redirect, the host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from winter_sync.archive.aiohttp_client import aiohttp
from winter_sync.archive.connection_errors import (
    no_connection,
    no_connection_in_time,
    tunnel_refused,
)
from winter_sync.archive.error_words import TRY_LATER, reason
from winter_sync.core import (
    BadAnswerError,
    ErrorCode,
    MisconfiguredError,
    TransientError,
    WinterSyncError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.archive.route import Route

MOST_HEADERS = 128
LONGEST_HEADER = 8190
"""Bytes of a header's name or value, or of the status line."""
_TLS_ALERT = re.compile(r"b['\"]\\+x1[56]\\+x03")
"""How aiohttp's parser quotes an answer that begins like a record of TLS."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_SCHEMES = frozenset({"http", "https"})


def explain_transport_error(error: BaseException, route: Route) -> WinterSyncError | None:  # noqa: PLR0911 - one a kind
    """Return the error that says in words what aiohttp raised; None for any other error."""
    match error:
        case aiohttp.ClientHttpProxyError() if route.proxy is not None:
            return tunnel_refused(error.status, route.proxy, route)
        case aiohttp.ClientConnectorError():
            return no_connection(error, route)
        case aiohttp.ConnectionTimeoutError():
            return no_connection_in_time(route)
        case aiohttp.InvalidURL():
            return MisconfiguredError(
                "api.base_url is not a valid address",
                remedy='Write base_url = "http://winter.caltech.edu:82" under [api].',
                code=ErrorCode.NET_ADDRESS,
            )
        case aiohttp.ClientPayloadError():
            return _cut_short(error, route)
        case aiohttp.ClientResponseError():
            return _no_http(error.message, route)
        case aiohttp.ServerDisconnectedError():
            return _hung_up(error, route)
        case TimeoutError():
            return _broken("it did not answer in time", route, code=ErrorCode.NET_TIMEOUT)
        case aiohttp.ClientError() | OSError():
            return _broken(reason(error), route)
    return None


def _hung_up(error: aiohttp.ServerDisconnectedError, route: Route) -> WinterSyncError:
    """Return the error of a connection that was closed where an answer was due."""
    if not isinstance(error.message, str):
        return _broken("it was closed inside the headers of the answer", route)
    return _broken("it was closed without an answer", route, suspect=not route.is_tls)


def _broken(
    reason: str,
    route: Route,
    *,
    suspect: bool = False,
    code: ErrorCode = ErrorCode.NET_BROKEN,
) -> WinterSyncError:
    """Return the error of a connection that broke; a port that speaks TLS may be `suspect`."""
    secure = route.base_url.replace("http:", "https:", 1)
    remedy = f'{TRY_LATER} If it stays so, try base_url = "{secure}": the port may speak TLS.'
    return TransientError(
        f"the connection to {route.base_url}{route.through} broke: {reason}",
        remedy=remedy if suspect else TRY_LATER,
        code=code,
    )


def _cut_short(error: aiohttp.ClientPayloadError, route: Route) -> WinterSyncError:
    text = str(error)
    if came := re.search(r"received (\d+) of (\d+) bytes", text):
        said = f"the answer was cut short after {came[1]} of {came[2]} bytes"
    elif "Not enough data" in text:
        said = "the answer was cut short before its last chunk"
    else:
        return _no_http(text, route)
    return _broken(said, route)


def _no_http(message: str, route: Route) -> WinterSyncError:
    """Return the error of an answer that breaks the rules of HTTP, by the parser's own words."""
    if message.startswith("Bad status line") and _TLS_ALERT.search(message) and not route.is_tls:
        secure = route.base_url.replace("http:", "https:", 1)
        return MisconfiguredError(
            f"{route.base_url} does not speak plain HTTP on this port, but TLS",
            remedy=f'Write base_url = "{secure}" under [api], or the port that speaks plain HTTP.',
            code=ErrorCode.NET_TLS,
        )
    return TransientError(
        f"the answer of {route.base_url}{route.through} is not valid HTTP: {_fault_of(message)}",
        remedy=f"{TRY_LATER} If it stays so, `curl -v {route.base_url}/ping` shows the answer: "
        "something else may listen there, or a proxy interfere.",
        code=ErrorCode.NET_HTTP,
    )


def _fault_of(message: str) -> str:
    faults = {
        "Got more than": f"a header has more than {LONGEST_HEADER} bytes",
        "Too many headers": f"it has more than {MOST_HEADERS} headers",
        "Bad status line": "its first line is no status line",
        "chunk": "the size of a chunk cannot be read",
        "Content-Length": "its Content-Length makes no sense",
        "eader": "a header is malformed",
    }
    return next((fault for words, fault in faults.items() if words in message), "it is malformed")


def too_many_informational(route: Route, most: int) -> WinterSyncError:
    """Return the error of a server that announces an answer (1xx) again and again."""
    return TransientError(
        f"{route.base_url} sent more than {most} informational answers (1xx) and no other",
        remedy=TRY_LATER,
        code=ErrorCode.NET_HTTP,
    )


def moved(
    status: int, location: str | None, route: Route, redact: Callable[[str], str]
) -> WinterSyncError:
    """Return the error of a redirect; it names scheme, host and port of where to, and no more."""
    origin = _origin(location, route, redact)
    ours = f"{urlsplit(route.base_url).scheme}://{route.place}"
    if origin in (route.base_url, ours):
        return BadAnswerError(
            f"{route.base_url} redirects to another path of its own ({status})",
            remedy="Check api.base_url: is it the observatory's API?",
            code=ErrorCode.NET_ADDRESS,
        )
    if origin is None:
        return BadAnswerError(
            f"{route.base_url} redirects, and not to an address that makes sense ({status})",
            remedy="Check api.base_url: is it the observatory's API?",
            code=ErrorCode.NET_ADDRESS,
        )
    return BadAnswerError(
        f"{route.base_url} says that it has moved to {origin} ({status})",
        remedy="Redirects are not followed, as they would take the credentials along. If that is "
        f'the observatory\'s address now, write base_url = "{origin}" under [api].',
        code=ErrorCode.NET_ADDRESS,
    )


def _origin(location: str | None, route: Route, redact: Callable[[str], str]) -> str | None:
    try:
        parts = urlsplit(urljoin(route.base_url, location or ""))
    except ValueError:
        return None
    place = parts.netloc.rpartition("@")[2]
    if not location or parts.scheme not in _SCHEMES or not _HOST.fullmatch(place):
        return None
    return f"{parts.scheme}://{redact(place)}"
