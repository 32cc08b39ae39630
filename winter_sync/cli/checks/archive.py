"""The checks that ask the archive: its server, the clock, the user, each program."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.cli.checks.findings import Finding, asked
from winter_sync.config import secret_places
from winter_sync.core import ExitCode, redactor, show_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from winter_sync.archive import ArchiveClient
    from winter_sync.config import Settings
    from winter_sync.core import Credentials

_CLOCK_TOLERANCE_SECONDS = 300.0


async def check_archive(
    api: ArchiveClient, settings: Settings, credentials: Credentials | None
) -> AsyncIterator[Finding]:
    """Check the server and the clock, and the credentials if there are any.

    Nothing else is asked of a server that does not answer.
    """
    server = await asked("server", lambda: _server(api))
    yield server
    if not server.is_ok:
        return
    yield _clock(api)
    if credentials is not None:
        async for finding in _credentials(api, credentials, secret_places(settings)):
            yield finding


async def _credentials(
    api: ArchiveClient, credentials: Credentials, places: tuple[str, str, dict[str, str]]
) -> AsyncIterator[Finding]:
    """Check the user and, unless it is refused, each program."""
    redact = redactor(credentials)
    user_place, password_place, key_places = places
    correction = f"Correct the user name ({user_place}) or the password ({password_place})."
    user = _with_remedy(await asked("user", lambda: _user(api)), correction)
    yield user
    if user.is_ok:
        for program in credentials.keys:
            finding = await asked(f"program {program}", partial(_program, api, program))
            correction = (
                f"Correct the key ({key_places[program]}) or the name {program}, or have the "
                "program opened to this account."
            )
            yield replace(_with_remedy(finding, correction), message=redact(finding.message))


def _with_remedy(finding: Finding, correction: str) -> Finding:
    """Say where to correct what is refused: that `check` says so is no help in `check`."""
    is_refused = finding.code is ExitCode.REFUSED
    return replace(finding, remedy=correction) if is_refused else finding


async def _server(api: ArchiveClient) -> str:
    await api.ping()
    return f"{api.base_url} answers"


def _clock(api: ArchiveClient) -> Finding:
    clock = api.server.clock
    if clock.offset is None:
        return Finding("clock", "the archive does not send its time; this machine's date is used")
    differ = abs(clock.offset.total_seconds())
    message = f"this machine's clock and the archive's differ by {show_duration(differ)}"
    if differ <= _CLOCK_TOLERANCE_SECONDS:
        return Finding("clock", message)
    used = "the archive's date is used" if clock.is_believed else "the archive's date is not used"
    return Finding(
        "clock",
        f"{message}; check NTP here",
        f"Run `timedatectl`. Until then {used}.",
        warning=True,
    )


async def _user(api: ArchiveClient) -> str:
    await api.check_user()
    return "user and password are accepted"


async def _program(api: ArchiveClient, name: str) -> str:
    program = await api.program(name)
    return f"the key is accepted; {program.title or name}, {program.start} to {program.end}"
