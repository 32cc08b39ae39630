"""Is everything ready to run? Settings, disk, server, clock, credentials: each with its remedy."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from winter_sync import settings as settings_module
from winter_sync.errors import ExitCode, StorageError, UsageError, WinterSyncError
from winter_sync.factory import open_api
from winter_sync.tree import explained
from winter_sync.units import show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from winter_sync.api import Api
    from winter_sync.settings import Settings

_CLOCK_TOLERANCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    said: str
    remedy: str = ""
    code: ExitCode = ExitCode.DONE
    warning: bool = False

    @property
    def good(self) -> bool:
        """Whether nothing stands in the way."""
        return self.code is ExitCode.DONE


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Check everything, yielding each finding as it is made; one failure hides no other."""
    yield _found("settings", lambda: _programs(settings))
    yield _found("disk", lambda: _disk(settings))
    try:
        credentials = settings_module.credentials(settings)
    except UsageError as missing:
        yield _failed("credentials", missing)
        return
    async with open_api(settings, credentials) as api:
        server = await _asked("server", lambda: _server(api))
        yield server
        if not server.good:
            return
        yield _clock(api)
        yield await _asked("user", lambda: _user(api))
        for program in settings.programs:
            yield await _asked(f"program {program.name}", partial(_program, api, program.name))


def _programs(settings: Settings) -> str:
    parts = [
        f"{one.program}: {', '.join(one.image_types)} of {' and '.join(one.instruments)}"
        for one in settings.selections
    ]
    return "; ".join(parts)


def _disk(settings: Settings) -> str:
    """Make sure that the root, or the place where it will be, can be written to."""
    root = settings.root
    place = root if root.exists() else root.parent
    if not place.is_dir():
        raise StorageError(
            f"{place} is not a directory" if place.exists() else f"there is no {place}",
            remedy="Create it, or set another mirror.root.",
        )
    with explained(place), tempfile.NamedTemporaryFile(dir=place, prefix=".winter-sync-check-"):
        found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < settings.mirror.min_free:
        raise StorageError(
            f"{root} has {show_size(free)} free, less than mirror.min_free",
            remedy="Free some space or lower mirror.min_free.",
        )
    return f"{root} is writable, {show_size(free)} free{_layout_note(settings.state, root)}"


def _layout_note(state: Path, root: Path) -> str:
    return "" if state.is_relative_to(root) else f"; the catalog is in {state}"


async def _server(api: Api) -> str:
    await api.ping()
    return f"{api.base_url} answers"


def _clock(api: Api) -> Finding:
    offset = api.clock_offset.total_seconds()
    told = (
        f"the server's clock is {show_duration(abs(offset))} {'ahead' if offset > 0 else 'behind'}"
    )
    if abs(offset) <= _CLOCK_TOLERANCE_SECONDS:
        return Finding("clock", told)
    remedy = "Set this machine's clock (NTP). Polls follow the server's date meanwhile."
    return Finding("clock", told, remedy, warning=True)


async def _user(api: Api) -> str:
    await api.check_user()
    return "user and password are accepted"


async def _program(api: Api, name: str) -> str:
    program = await api.program(name)
    return f"the key is accepted; {program.title or name}, {program.start} to {program.end}"


def _found(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, check())
    except WinterSyncError as error:
        return _failed(what, error)


async def _asked(what: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, await check())
    except WinterSyncError as error:
        return _failed(what, error)


def _failed(what: str, error: WinterSyncError) -> Finding:
    return Finding(what, error.message, error.remedy, error.exit_code)
