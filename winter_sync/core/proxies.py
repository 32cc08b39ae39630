"""Which proxy to use, if any: the setting and the environment, by curl's rules.

The source of the rules is curl's manual page, "ENVIRONMENT" and `--proxy` (curl 7.86 or newer).
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXY_SETTING = "api.proxy"
EXAMPLE = 'proxy = "http://proxy.example.org:3128"'
_DEFAULT_PORTS = {"http": 1080, "https": 443}
"""curl's: a proxy's port is 1080 unless it is written."""
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_LONGEST_LABEL = 63
_NETWORK_BITS = re.compile(r"\+?(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, and what it asks for; printing it shows no secret.

    `address` is scheme, host and port; `source` is the setting or the variable that names it.
    """

    address: str
    source: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string of it that must never be shown, as Basic authorization, too."""
        if not self.user:
            return ()
        both = base64.b64encode(f"{self.user}:{self.password}".encode()).decode().rstrip("=")
        return tuple(secret for secret in (self.user, self.password, both) if secret)


def choose_proxy(base_url: str, setting: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an address; None where it is reached directly.

    As for curl: the setting, as `--proxy`, comes before the environment, and an empty one means
    none at all; `http_proxy` counts in lower case only, because a web server may set the other;
    the lower case comes first; `all_proxy` is for both schemes; `no_proxy` counts before all.

    Raises
    ------
    UsageError
        If the proxy that is named cannot be used.
    """
    target = urlsplit(base_url)
    if setting == "" or _is_exempt(target.hostname or "", _first(environ, "no_proxy", "NO_PROXY")):
        return None
    if setting is not None:
        return _named(PROXY_SETTING, setting)
    names = ("http_proxy",) if target.scheme == "http" else ("https_proxy", "HTTPS_PROXY")
    for name in (*names, "all_proxy", "ALL_PROXY"):
        if environ.get(name):
            return _named(name, environ[name])
    return None


def parse_proxy(text: str, source: str) -> Proxy:
    """Read a proxy as curl does: scheme and port may be left out, what follows them is ignored.

    Raises
    ------
    ValueError
        If it is not the address of an HTTP proxy; the text says why, and never what was given.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "http", text.strip()
    scheme = scheme.lower()
    if scheme.startswith("socks"):
        raise ValueError("a SOCKS proxy cannot be used: name an HTTP proxy")
    if scheme not in _DEFAULT_PORTS:
        raise ValueError(f"the address of a proxy is written like {EXAMPLE}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    secrets, _, place = authority.rpartition("@")
    host, port = _place(place, _DEFAULT_PORTS[scheme])
    user, _, password = secrets.partition(":")
    return Proxy(
        f"{scheme}://{host}:{port}",
        source,
        host.strip("[]"),
        port,
        unquote(user),
        unquote(password),
    )


def _place(text: str, default_port: int) -> tuple[str, int]:
    match = re.fullmatch(rf"({_HOST.pattern})(?::(\d{{1,5}}))?", text, re.ASCII)
    if match is None or not _is_host(match[1]):
        raise ValueError(f"the address of a proxy is written like {EXAMPLE}")
    port = int(match[2] or default_port)
    if not 0 < port < 2**16:
        raise ValueError("the port of a proxy is between 1 and 65535")
    return match[1], port


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return _address(host[1:-1]) is not None
    labels = host.removesuffix(".").split(".")
    return all(0 < len(label) <= _LONGEST_LABEL for label in labels)


def _named(source: str, text: str) -> Proxy:
    try:
        return parse_proxy(text, source)
    except ValueError as wrong:
        fault = str(wrong)
    # Raised here, so that nothing of what was given stays in its context.
    raise UsageError(
        f"{source}: {fault}",
        remedy=f"Write {EXAMPLE} under [api], or unset {source}.",
        code=ErrorCode.SETTINGS_VALUE,
    )


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Return whether `no_proxy` has a host: by name, by domain, or by address and network.

    A port in an entry matches nothing, and `*` counts alone.
    """
    if no_proxy == "*":
        return True
    entries = [entry for entry in re.split(r"[, \t]+", no_proxy) if entry]
    address = _address(host)
    if address is None:
        return any(_is_within_domain(host, entry) for entry in entries)
    return any(_is_within_network(address, entry) for entry in entries)


def _is_within_domain(host: str, entry: str) -> bool:
    name, domain = host.lower().removesuffix("."), entry.lower().removesuffix(".")
    domain = domain.removeprefix(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _is_within_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    """Return whether an address is an entry's, or in its network (CIDR; no bits mean all)."""
    text, _, written = entry.partition("/")
    network = _address(text)
    if network is None or network.version != address.version:
        return False
    match = _NETWORK_BITS.match(written)
    bits = int(match[1]) if match else 0
    longest = address.max_prefixlen
    if bits > longest or written.startswith("-"):
        return False
    unused = longest - (bits or longest)
    return int(address) >> unused == int(network) >> unused


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
