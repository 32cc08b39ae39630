"""Where requests go: the archive, directly or by a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from winter_sync.core import Proxy


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


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
