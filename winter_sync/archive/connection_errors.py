"""Why no connection to the archive could be opened, and what to do: network, proxy, TLS."""

from __future__ import annotations

import errno
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from winter_sync.archive.aiohttp_client import aiohttp
from winter_sync.archive.error_words import TRY_LATER, reason, tls_words, words
from winter_sync.core import (
    PROXY_SETTING,
    ErrorCode,
    MisconfiguredError,
    TransientError,
    WinterSyncError,
)

if TYPE_CHECKING:
    from winter_sync.archive.route import Route
    from winter_sync.core import Proxy

_REACH = (
    "Try again later, or correct host and port in api.base_url or "
    "WINTER_SYNC_API__BASE_URL. "
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
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_HOST = frozenset({62, 63, 64})
"""OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_*)."""

# --- no connection ---------------------------------------------------------------------------


def no_connection(error: aiohttp.ClientConnectorError, route: Route) -> WinterSyncError:
    """Return the error of a connection that could not be opened."""
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
    return TransientError(f"{place}: {_reason_of(error)}", remedy=remedy, code=_code_of(error))


def _is_of(error: aiohttp.ClientConnectorError, proxy: Proxy) -> bool:
    is_there = (error.host, error.port) == (proxy.host, proxy.port)
    return is_there or isinstance(error, aiohttp.ClientProxyConnectionError)


def _unreachable(party: str, error: aiohttp.ClientConnectorError, remedy: str) -> WinterSyncError:
    cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = f"its certificate is not accepted ({words(cause.verify_message)})"
        return MisconfiguredError(
            f"{party} cannot be reached: {said}", remedy=remedy, code=ErrorCode.NET_PROXY
        )
    return TransientError(
        f"{party} cannot be reached: {_reason_of(error)}", remedy=remedy, code=ErrorCode.NET_PROXY
    )


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
    return reason(error.os_error)


def _code_of(error: aiohttp.ClientConnectorError) -> ErrorCode:
    is_name = isinstance(error.os_error, socket.gaierror)
    return ErrorCode.NET_NAME if is_name else ErrorCode.NET_CONNECT


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


def no_connection_in_time(route: Route) -> WinterSyncError:
    """Return the error of a connection that was not opened in time."""
    kind = "TLS connection" if route.is_tls else "connection"
    remedy = (
        _proxy_remedy(route.proxy)
        if route.proxy is not None
        else f"{_REACH} A firewall that drops packets looks like this, too."
    )
    return TransientError(
        f"{route.base_url} cannot be reached{route.through}: no {kind} within {route.connect:g} s",
        remedy=remedy,
        is_overload=True,
        code=ErrorCode.NET_TIMEOUT,
    )


# --- proxies ---------------------------------------------------------------------------------


def tunnel_refused(status: int, proxy: Proxy, route: Route) -> WinterSyncError:
    """Return the error of a proxy that does not connect us to the archive."""
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return proxy_wants_credentials(proxy)
    message = f"the proxy {proxy.address} does not connect us to {route.place} ({status})"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(
            message,
            remedy=f"Is the archive up? {TRY_LATER} If it stays so, ask who runs the proxy.",
            code=ErrorCode.NET_PROXY,
        )
    host = urlsplit(route.base_url).hostname
    return MisconfiguredError(
        message,
        remedy=f"Ask who runs the proxy to allow {route.place}; or set no_proxy={host} in the "
        "environment, if it can be reached without.",
        code=ErrorCode.NET_PROXY,
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
    return MisconfiguredError(
        f"the proxy {proxy.address} {refused} (407)", remedy=remedy, code=ErrorCode.NET_PROXY
    )


# --- TLS -------------------------------------------------------------------------------------


def _bad_certificate(
    cause: ssl.SSLCertVerificationError, place: str, route: Route
) -> WinterSyncError:
    number, said = cause.verify_code, words(cause.verify_message)
    host = urlsplit(route.base_url).hostname
    if number in _OTHER_HOST:
        return MisconfiguredError(
            f"{place}: its certificate is not for {host}",
            remedy="Write the host in api.base_url as the certificate has it: "
            f"`{_client(route)} | openssl x509 -noout -subject -ext subjectAltName`.",
            code=ErrorCode.NET_TLS,
        )
    if number == _EXPIRED:
        return MisconfiguredError(
            f"{place}: its certificate has expired",
            remedy="Check this machine's clock (`timedatectl`). If it is right, only those who run "
            "the server can renew the certificate.",
            code=ErrorCode.NET_TLS,
        )
    if number == _NOT_YET_VALID:
        return MisconfiguredError(
            f"{place}: its certificate is not valid yet",
            remedy="Check this machine's clock (`timedatectl`).",
            code=ErrorCode.NET_TLS,
        )
    trusted = "is not trusted" if number in _UNTRUSTED else "is not accepted"
    return MisconfiguredError(
        f"{place}: its certificate {trusted} ({said})",
        remedy="If it is the right server, set SSL_CERT_FILE to a PEM file with the certificate of "
        "the authority that issued it. If it is not, another machine intercepts the connection.",
        code=ErrorCode.NET_TLS,
    )


def _bad_tls(cause: OSError, place: str, route: Route) -> WinterSyncError:
    reason = (getattr(cause, "reason", None) or "").upper()
    plain = route.base_url.replace("https:", "http:", 1)
    if reason in _NOT_TLS:
        return MisconfiguredError(
            f"{place}: it does not speak TLS on this port",
            remedy=f'Write base_url = "{plain}" under [api], or the port that speaks TLS.',
            code=ErrorCode.NET_TLS,
        )
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLEOFError):
        return TransientError(
            f"{place}: the connection was closed during the TLS handshake",
            remedy=f"`{_client(route)}` shows what it offers. "
            f'If it does not speak TLS on this port, write base_url = "{plain}" under [api].',
            code=ErrorCode.NET_TLS,
        )
    return MisconfiguredError(
        f"{place}: TLS failed ({tls_words(cause)})",
        remedy=f"`{_client(route)}` shows what the server offers.",
        code=ErrorCode.NET_TLS,
    )


def _client(route: Route) -> str:
    return f"openssl s_client -connect {route.place} </dev/null"
