"""The check of the sinks of events: what is wrong with them is no fault of the mirror."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from winter_sync.cli.checks.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from winter_sync.config import Settings, SinkSettings
    from winter_sync.core import Credentials

_PATIENCE = 5.0
"""Seconds to wait for a connection."""
_PORTS = {"http": 80, "https": 443}
_KEPT = "Events wait in the catalog until it takes them."


async def check_sinks(
    settings: Settings, credentials: Credentials | None
) -> AsyncIterator[Finding]:
    """Check whether each command exists, and whether each webhook can be connected to.

    No command is run and nothing is posted: what a sink does with events is not known beforehand.
    """
    for sink in settings.sinks:
        if sink.url is None:
            yield _check_command(sink, settings.mirror.root or Path())
        else:
            is_signed = credentials is not None and sink.name in credentials.sinks
            yield await _check_webhook(sink, is_signed=is_signed)


def _check_command(sink: SinkSettings, root: Path) -> Finding:
    program = (sink.command or ("",))[0]
    # A command runs in the root, so a path that is not absolute begins there.
    found = shutil.which(str(root / program) if "/" in program else program)
    if found is None:
        return Finding(
            "sinks",
            f"{sink.name}: {program} is not a program that this user can run",
            f'Write command = ["/path/of/the/program"] below name = "{sink.name}", or make it '
            f"executable: `chmod +x {shlex.quote(program)}`. {_KEPT}",
            warning=True,
        )
    return Finding("sinks", f"{sink.name}: {found} exists and may be executed; it was not run")


async def _check_webhook(sink: SinkSettings, *, is_signed: bool) -> Finding:
    address = urlsplit(sink.url.get_secret_value() if sink.url else "")
    host, port = address.hostname or "", address.port or _PORTS[address.scheme]
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, UnicodeError, TimeoutError):
        return Finding(
            "sinks",
            f"{sink.name}: {host} port {port} cannot be connected to",
            f'Start it, or correct url below name = "{sink.name}". {_KEPT}',
            warning=True,
        )
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    signed = "signed" if is_signed else "not signed (no secret is set)"
    return Finding(
        "sinks",
        f"{sink.name}: {address.scheme}://{host}:{port} accepts connections; nothing was posted; "
        f"events are {signed}",
    )
