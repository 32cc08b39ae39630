#!/usr/bin/env python3
"""Ask the daemon of this container whether it is well, and exit with 0 when it is.

Needs nothing but Python itself. The address is that of `WINTER_SYNC_HTTP__LISTEN`, which the
image sets; no proxy is asked.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

DEFAULT = "127.0.0.1:8765"
PATIENCE_SECONDS = 8.0


def answer(listen: str) -> tuple[bool, str]:
    """Ask `/healthz` at an address; return whether all is well, and the answer.

    A daemon that listens on all addresses ("0.0.0.0", "[::]") is reached on the loopback one.
    """
    host, _, port = listen.rpartition(":")
    server = HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE_SECONDS)
    try:
        server.request("GET", "/healthz")
        said = server.getresponse()
        return said.status == 200, said.read(1000).decode(errors="replace")  # noqa: PLR2004 - HTTP
    except (OSError, HTTPException) as silent:
        return False, f"{listen} does not answer: {silent}"
    finally:
        server.close()


def main() -> None:
    """Print the daemon's answer."""
    well, said = answer(os.environ.get("WINTER_SYNC_HTTP__LISTEN") or DEFAULT)
    print(said)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
