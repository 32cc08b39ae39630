"""Is everything ready to run? Settings, disk, server, clock, credentials: each with its remedy."""

from __future__ import annotations

import os
import tempfile
import textwrap
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.catalog import Catalog
from winter_sync.config import check_root, exposure_of, holds_secret, read_credentials, secret_files
from winter_sync.core import (
    REAL_TIME,
    STATE_DIR,
    Credentials,
    ExitCode,
    PagesOpen,
    StorageError,
    UsageError,
    WinterSyncError,
    explained,
    gravest,
    has_name,
    is_directory,
    is_there,
    printable,
    redactor,
    show_duration,
    show_size,
    space_of,
    utc_now,
)
from winter_sync.factory import CATALOG, open_api
from winter_sync.tree import (
    Roots,
    Tree,
    lost,
    memory_path,
    refuse_other_root,
    refuse_strangers,
    try_out,
)
from winter_sync.web import open_addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from rich.console import Console

    from winter_sync.archive import Api
    from winter_sync.config import Settings
    from winter_sync.core import Tell, Time

_CLOCK_TOLERANCE_SECONDS = 300.0
_STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}
_NOBODY = Credentials("", "", {})


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

    @property
    def mark(self) -> str:
        """The finding in a word of at most four letters."""
        return "FAIL" if not self.good else "warn" if self.warning else "ok"


def worst(findings: Iterable[Finding]) -> ExitCode:
    """Give the exit code of the gravest finding."""
    return gravest({finding.code for finding in findings})


async def examine(
    settings: Settings,
    tell: Tell = lambda _: None,
    *,
    settings_file: Path | None = None,
    time: Time = REAL_TIME,
) -> AsyncIterator[Finding]:
    """Check everything, yielding each finding as it is made; one failure hides no other.

    Only what cannot be asked at all is left out: nothing of a server that does not answer, and no
    credential where one is missing.

    Parameters
    ----------
    settings
        What to check.
    tell
        Hears what happens meanwhile.
    settings_file
        The file that the settings come from, if they come from one.
    time
        Clocks, and how to wait.
    """
    async for finding in _of_this_machine(settings, settings_file):
        yield finding
    known = _NOBODY
    try:
        known = read_credentials(settings)
    except UsageError as missing:
        yield _failed("secrets", missing)
    proxy = _proxy(settings)
    if proxy is not None:
        yield proxy
        if not proxy.good:
            return
    async with open_api(settings, known, tell, time=time) as api:
        server = await _asked("server", lambda: _server(api))
        yield server
        if not server.good:
            return
        yield _clock(api)
        if known is not _NOBODY:
            async for finding in _credentials(api, known):
                yield finding


async def _of_this_machine(
    settings: Settings, settings_file: Path | None
) -> AsyncIterator[Finding]:
    """Check what needs no archive."""
    yield _found("settings", lambda: _programs(settings))
    for finding in _permissions(settings, settings_file):
        yield finding
    if await open_addresses(settings.http.listen):
        yield _pages(settings.http.listen)
    disk = _found("disk", lambda: _disk(settings))
    yield disk
    if disk.good:
        for finding in _file_system(settings.root):
            yield finding
    yield _found("mirror", lambda: _mirror(settings))


async def _credentials(api: Api, known: Credentials) -> AsyncIterator[Finding]:
    """Ask about the user and, unless that is refused, about each program."""
    redact = redactor(known)
    user = await _asked("user", lambda: _user(api))
    yield user
    if user.good:
        for program in known.keys:
            found = await _asked(f"program {program}", partial(_program, api, program))
            yield replace(found, said=redact(found.said))


def _proxy(settings: Settings) -> Finding | None:
    """Say which proxy is used and what names it; None without one."""
    try:
        proxy = settings.proxy
    except UsageError as wrong:
        return _failed("proxy", wrong)
    if proxy is None:
        return None
    return Finding("proxy", f"{proxy.address} is used, from {proxy.source}")


def _programs(settings: Settings) -> str:
    parts = [
        f"{one.program}: {', '.join(one.image_types)} of {' and '.join(one.instruments)}"
        for one in settings.selections
    ]
    return "; ".join(parts)


def _permissions(settings: Settings, settings_file: Path | None) -> Iterator[Finding]:
    """Find files that others may read or change; say nothing where all is right."""
    files = dict.fromkeys(secret_files(settings), True)
    if settings_file is not None:
        files[settings_file] = holds_secret(settings_file)
    for path, secret in files.items():
        if (found := exposure_of(path, secret=secret)) is not None:
            yield Finding("permissions", found.said, found.remedy, warning=True)


def _pages(listen: str) -> Finding:
    said = f"other machines may reach the pages on {listen}, which ask for no password"
    return Finding("pages", said, PagesOpen(listen).remedy, warning=True)


def _disk(settings: Settings) -> str:
    """Make sure that the root, or the place where it will be, can be written to."""
    root = settings.root
    check_root(root)
    place = root if is_there(root) else root.parent
    free = _free_where_writable(place)
    if free < settings.mirror.min_free:
        raise StorageError(
            f"{root} has {show_size(free)} free, less than mirror.min_free, "
            f"{show_size(settings.mirror.min_free)}",
            remedy="Free some space or lower mirror.min_free.",
        )
    state = settings.state
    if is_directory(state) and not state.is_relative_to(root):
        _free_where_writable(state)
    return f"{root} is writable, {show_size(free)} free"


def _free_where_writable(place: Path) -> int:
    """Write a file for a moment; gives the free bytes there."""
    with explained(place), tempfile.NamedTemporaryFile(dir=place, prefix=".winter-sync-check-"):
        return space_of(place)


def _file_system(root: Path) -> tuple[Finding, ...]:
    """Try what publishing does where the mirror is, or will be."""
    what = "file system"
    try:
        abilities = try_out(_nearest(root))
    except StorageError as failed:
        return (_failed(what, failed),)
    found = tuple(
        Finding(what, lack.message, lack.remedy, ExitCode.STORAGE)
        if lack.is_fatal
        else Finding(what, lack.message, lack.remedy, warning=True)
        for lack in abilities.lacks
    )
    if not abilities.has_links:
        found += (Finding(what, "no hard links: older revisions are copied instead"),)
    return found or (Finding(what, "renames, locks, links and syncs files and directories"),)


def _nearest(root: Path) -> Path:
    """Return where files of the mirror are staged, as far as that exists."""
    ours = [] if (root / STATE_DIR).is_symlink() else [root / STATE_DIR]
    return next(path for path in [*ours, root, root.parent] if path.is_dir())


def _mirror(settings: Settings) -> str:
    """Make sure that a mirror that began is there, and not the bare place it is mounted on."""
    catalog, root = settings.state / CATALOG, settings.root
    refuse_strangers(Tree(root), settings.state)
    if has_name(catalog):
        refuse_other_root(Tree(root), _name_in(catalog), catalog)
    if Tree(root).name is not None:
        return f"its catalog is {catalog}"
    if is_directory(root) and Roots(memory_path(os.environ)).mirror_in(root) is not None:
        raise lost(root)
    return "none yet; the first sync makes it"


def _name_in(path: Path) -> str:
    """Return the name of the mirror that a catalog belongs to."""
    with closing(Catalog(path, utc_now, reading=True)) as catalog:
        return catalog.mirror_name() or ""


async def _server(api: Api) -> str:
    await api.ping()
    return f"{api.base_url} answers"


def _clock(api: Api) -> Finding:
    if api.clock_offset is None:
        return Finding("clock", "the archive does not tell its time; this machine's date is used")
    differ = abs(api.clock_offset.total_seconds())
    told = f"this machine's clock and the archive's differ by {show_duration(differ)}"
    if differ <= _CLOCK_TOLERANCE_SECONDS:
        return Finding("clock", told)
    used = (
        "the archive's date is used" if api.clock_is_believed else "the archive's date is not used"
    )
    return Finding(
        "clock", f"{told}; check NTP here", f"Run `timedatectl`. Until then {used}.", warning=True
    )


async def _user(api: Api) -> str:
    await api.check_user()
    return "user and password are accepted"


async def _program(api: Api, name: str) -> str:
    program = await api.program(name)
    return f"the key is accepted; {program.title or name}, {program.start} to {program.end}"


def _found(what: str, check: Callable[[], str]) -> Finding:
    try:
        with explained(Path(what)):
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


def show(console: Console, finding: Finding) -> None:
    """Print a finding; on a terminal, what does not fit stands below its beginning."""
    head = f"{finding.mark:4}  {finding.what:<16}  "
    indent = " " * len(head)
    said = [head + printable(finding.said)]
    if finding.remedy:
        said.append(indent + printable(finding.remedy))
    if console.is_terminal:
        wrap = partial(textwrap.fill, width=console.width, subsequent_indent=indent)
        said = [wrap(line, break_long_words=False, break_on_hyphens=False) for line in said]
    text = Text("\n".join(said))
    text.stylize(_STYLES[finding.mark], 0, len(finding.mark))
    console.print(text)
