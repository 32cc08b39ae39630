"""Why an exchange with the archive failed, in words, and what to do about it.

What aiohttp raises is read here and left behind: its text holds the URL, and with it the program's
key. Nothing of what a server sent is repeated but numbers and, of a redirect, the host.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import aiohttp

from winter_sync.core import (
    PROXY_SETTING,
    BadAnswerError,
    MisconfiguredError,
    TransientError,
    WinterSyncError,
    escape_unprintable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.core import Proxy

TRY_LATER = "Nothing is lost: it is tried again at the next poll."
"""What to do about what may pass by itself."""
MOST_HEADERS = 128
LONGEST_HEADER = 8190
"""Bytes of a header's name or value, or of the status line."""
_REACH = (
    "Is the archive up, and are host and port in api.base_url right? "
    "If this network needs a proxy, set api.proxy."
)
_NETWORK = "Check this machine's network. If it needs a proxy, set api.proxy."
_NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
    }
)
"""What the versions of OpenSSL say when the other side does not speak TLS."""
_TLS_ALERT = re.compile(r"b['\"]\\+x1[56]\\+x03")
"""How aiohttp's parser quotes an answer that begins like a record of TLS."""
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_HOST = frozenset({62, 63, 64})
"""OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_*)."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go: the archive's address, and the proxy on the way, if there is one."""

    base_url: str
    proxy: Proxy | None = None
    connect: float = 0.0
    """Longest wait for a connection, seconds."""

    @property
    def place(self) -> str:
        """Host and port of the archive."""
        parts = urlsplit(self.base_url)
        return parts.netloc if parts.port else f"{parts.netloc}:{_port(parts.scheme)}"

    @property
    def is_tls(self) -> bool:
        """Whether the archive is spoken to in TLS."""
        return self.base_url.startswith("https:")

    @property
    def through(self) -> str:
        """The proxy as a sentence names it, with a blank before it; empty without one."""
        return f" through the proxy {self.proxy.address}" if self.proxy else ""


def explain_transport_error(error: BaseException, route: Route) -> WinterSyncError | None:  # noqa: PLR0911 - one a kind
    """Return the error that says in words what aiohttp raised; None if it is none of the wire."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return _tunnel_refused(error.status, route)
        case aiohttp.ClientConnectorError():
            return _no_connection(error, route)
        case aiohttp.ConnectionTimeoutError():
            return _no_connection_in_time(route)
        case aiohttp.InvalidURL():
            return MisconfiguredError(
                "api.base_url is not a valid address",
                remedy='Write base_url = "http://winter.caltech.edu:82" under [api].',
            )
        case aiohttp.ClientPayloadError():
            return _cut_short(error, route)
        case aiohttp.ClientResponseError():
            return _no_http(error.message, route)
        case aiohttp.ServerDisconnectedError():
            return _hung_up(error, route)
        case TimeoutError():
            return _broken("it did not answer in time", route)
        case aiohttp.ClientError() | OSError():
            return _broken(_reason(error), route)
    return None


# --- no connection ---------------------------------------------------------------------------


def _no_connection(error: aiohttp.ClientConnectorError, route: Route) -> WinterSyncError:
    proxy = route.proxy
    if proxy is not None and _is_of(error, proxy):
        return _unreachable(f"the proxy {proxy.address}", error, _proxy_remedy(proxy))
    place = f"{route.base_url} cannot be reached{route.through}"
    cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _bad_certificate(cause, place, route)
    if route.is_tls and isinstance(cause, ssl.SSLError | ConnectionResetError):
        return _bad_tls(cause, place, route)
    remedy = _remedy_of(cause, route)
    return TransientError(f"{place}: {_reason_of(error)}", remedy=remedy)


def _is_of(error: aiohttp.ClientConnectorError, proxy: Proxy) -> bool:
    is_there = (error.host, error.port) == (proxy.host, proxy.port)
    return is_there or isinstance(error, aiohttp.ClientProxyConnectionError)


def _unreachable(party: str, error: aiohttp.ClientConnectorError, remedy: str) -> WinterSyncError:
    cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = f"its certificate is not accepted ({_words(cause.verify_message)})"
        return MisconfiguredError(f"{party} cannot be reached: {said}", remedy=remedy)
    return TransientError(f"{party} cannot be reached: {_reason_of(error)}", remedy=remedy)


def _proxy_remedy(proxy: Proxy) -> str:
    return f"It is named by {proxy.source}: check host and port there, and whether it is up."


def _reason_of(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        unknown = error.os_error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
        return (
            f"there is no host called {error.host}"
            if unknown
            else f"no name server answers for {error.host}"
        )
    return _reason(error.os_error)


def _remedy_of(cause: OSError, route: Route) -> str:
    if isinstance(cause, socket.gaierror):
        host = urlsplit(route.base_url).hostname
        return (
            f"Check the host in api.base_url, and name resolution here: `getent hosts {host}`. "
            "If this network needs a proxy, set api.proxy."
        )
    match cause.errno:
        case errno.ENETUNREACH | errno.EHOSTUNREACH | errno.ENETDOWN | errno.EHOSTDOWN:
            return _NETWORK
        case errno.EPERM | errno.EACCES:
            return (
                "This machine forbids it: check its firewall, and IPAddressDeny= and "
                "RestrictAddressFamilies= of the systemd unit."
            )
        case errno.EMFILE | errno.ENFILE:
            return (
                "Raise the limit of open files: LimitNOFILE= of the systemd unit, or `ulimit -n`."
            )
    return _REACH


def _no_connection_in_time(route: Route) -> WinterSyncError:
    kind = "TLS connection" if route.is_tls else "connection"
    remedy = (
        _proxy_remedy(route.proxy)
        if route.proxy is not None
        else f"{_REACH} A firewall that drops packets looks like this, too."
    )
    return TransientError(
        f"{route.base_url} cannot be reached{route.through}: no {kind} within {route.connect:g} s",
        remedy=remedy,
    )


# --- proxies ---------------------------------------------------------------------------------


def _tunnel_refused(status: int, route: Route) -> WinterSyncError:
    """Return the error of a proxy that does not connect us to the archive."""
    proxy = route.proxy
    if proxy is None:
        return _no_http("", route)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return proxy_wants_credentials(proxy)
    message = f"the proxy {proxy.address} does not connect us to {route.place} ({status})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(
            message,
            remedy=f"Is the archive up? {TRY_LATER} If it stays so, ask who runs the proxy.",
        )
    host = urlsplit(route.base_url).hostname
    return MisconfiguredError(
        message,
        remedy=f"Ask who runs the proxy to allow {route.place}; or set no_proxy={host} in the "
        "environment, if it can be reached without.",
    )


def proxy_wants_credentials(proxy: Proxy) -> WinterSyncError:
    """Return the error of a proxy that refuses us for want of a user and a password (407)."""
    refused = (
        "does not accept the user and password given" if proxy.user else "wants a user and password"
    )
    scheme, _, place = proxy.address.partition("://")
    address = f"{scheme}://USER:PASSWORD@{place}"
    remedy = (
        f'Write proxy = "{address}" under [api], with %-escapes for :, @ and / in them.'
        if proxy.source == PROXY_SETTING
        else f"Set {proxy.source}={address}, with %-escapes for :, @ and / in them."
    )
    return MisconfiguredError(f"the proxy {proxy.address} {refused} (407)", remedy=remedy)


# --- TLS -------------------------------------------------------------------------------------


def _bad_certificate(
    cause: ssl.SSLCertVerificationError, place: str, route: Route
) -> WinterSyncError:
    number, said = cause.verify_code, _words(cause.verify_message)
    host = urlsplit(route.base_url).hostname
    if number in _OTHER_HOST:
        return MisconfiguredError(
            f"{place}: its certificate is not for {host}",
            remedy="Write the host in api.base_url as the certificate has it: "
            f"`{_client(route)} | openssl x509 -noout -subject -ext subjectAltName`.",
        )
    if number == _EXPIRED:
        return MisconfiguredError(
            f"{place}: its certificate has expired",
            remedy="Check this machine's clock (`timedatectl`). If it is right, only those who run "
            "the server can renew the certificate.",
        )
    if number == _NOT_YET_VALID:
        return MisconfiguredError(
            f"{place}: its certificate is not valid yet",
            remedy="Check this machine's clock (`timedatectl`).",
        )
    trusted = "is not trusted" if number in _UNTRUSTED else "is not accepted"
    return MisconfiguredError(
        f"{place}: its certificate {trusted} ({said})",
        remedy="If it is the right server, set SSL_CERT_FILE to a PEM file with the certificate of "
        "the authority that issued it. If it is not, somebody is in between.",
    )


def _bad_tls(cause: OSError, place: str, route: Route) -> WinterSyncError:
    reason = (getattr(cause, "reason", None) or "").upper()
    plain = route.base_url.replace("https:", "http:", 1)
    if reason in _NOT_TLS:
        return MisconfiguredError(
            f"{place}: it does not speak TLS on this port",
            remedy=f'Write base_url = "{plain}" under [api], or the port that speaks TLS.',
        )
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLEOFError):
        return TransientError(
            f"{place}: the connection was closed during the TLS handshake",
            remedy=f"`{_client(route)}` shows what it offers. "
            f'If it does not speak TLS on this port, write base_url = "{plain}" under [api].',
        )
    return MisconfiguredError(
        f"{place}: TLS failed ({_tls_words(cause)})",
        remedy=f"`{_client(route)}` shows what the server offers.",
    )


def _client(route: Route) -> str:
    return f"openssl s_client -connect {route.place} </dev/null"


def _tls_words(error: ssl.SSLError) -> str:
    return _words(error.reason or "no reason given").lower().replace("_", " ")


# --- answers ---------------------------------------------------------------------------------


def _hung_up(error: aiohttp.ServerDisconnectedError, route: Route) -> WinterSyncError:
    """Return the error of a connection that was closed where an answer was due."""
    if not isinstance(error.message, str):
        return _broken("it was closed inside the headers of the answer", route)
    return _broken("it was closed without an answer", route, suspect=not route.is_tls)


def _broken(reason: str, route: Route, *, suspect: bool = False) -> WinterSyncError:
    """Return the error of a connection that broke; a port that speaks TLS may be `suspect`."""
    secure = route.base_url.replace("http:", "https:", 1)
    remedy = f'{TRY_LATER} If it stays so, try base_url = "{secure}": the port may speak TLS.'
    return TransientError(
        f"the connection to {route.base_url}{route.through} broke: {reason}",
        remedy=remedy if suspect else TRY_LATER,
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
        )
    return TransientError(
        f"the answer of {route.base_url}{route.through} is not valid HTTP: {_fault_of(message)}",
        remedy=f"{TRY_LATER} If it stays so, `curl -v {route.base_url}/ping` shows the answer: "
        "something else may listen there, or a proxy interfere.",
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
        )
    if origin is None:
        return BadAnswerError(
            f"{route.base_url} redirects, and not to an address that makes sense ({status})",
            remedy="Check api.base_url: is it the observatory's API?",
        )
    return BadAnswerError(
        f"{route.base_url} says that it has moved to {origin} ({status})",
        remedy="Redirects are not followed, as they would take the credentials along. If that is "
        f'the observatory\'s address now, write base_url = "{origin}" under [api].',
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


# --- words -----------------------------------------------------------------------------------


def _reason(error: BaseException) -> str:
    """Return the system's word for an error, or OpenSSL's."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({_tls_words(error)})"
    number = getattr(error, "errno", None)
    if number == errno.ECONNRESET:
        return "it was reset by the other side"
    if number is not None and number > 0:
        said = os.strerror(number)
        return said[:1].lower() + said[1:]
    if isinstance(error, ConnectionError):
        return "it was closed by the other side"
    return "no reason is known"


def _words(text: str) -> str:
    return escape_unprintable(text.strip().rstrip("."), 200)


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
