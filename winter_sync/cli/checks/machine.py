"""The checks that need no archive: settings, permissions, pages, disk, file system, mirror."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.catalog import Catalog
from winter_sync.cli.checks.findings import Finding, failed, found
from winter_sync.config import check_root, exposure_of, holds_secret, read_page_token, secret_files
from winter_sync.core import (
    CATALOG,
    STATE_DIR,
    ErrorCode,
    ExitCode,
    NarrowCones,
    PagesOpen,
    StorageError,
    UsageError,
    free_space,
    has_name,
    is_directory,
    is_there,
    show_size,
    storage_errors_explained,
    utc_now,
)
from winter_sync.tree import (
    KnownRoots,
    Tree,
    known_roots_path,
    lost_mirror,
    probe_file_system,
    refuse_other_root,
    refuse_other_writers,
)
from winter_sync.web import Access, open_addresses, refuse_unprotected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from winter_sync.config import Settings


async def check_machine(settings: Settings, settings_file: Path | None) -> AsyncIterator[Finding]:
    """Check all that needs no archive, yielding each finding as it is made."""
    programs = found("settings", lambda: _programs(settings))
    if not programs.is_ok and settings_file is None:
        asks = "Run `winter-sync init`, which asks for all that is needed. Or by hand: "
        programs = replace(
            programs, remedy=asks + programs.remedy[:1].lower() + programs.remedy[1:]
        )
    yield programs
    for finding in _cones(settings) if programs.is_ok else ():
        yield finding
    for finding in _permissions(settings, settings_file):
        yield finding
    if (pages := await _pages(settings)) is not None:
        yield pages
    disk = found("disk", lambda: _disk(settings))
    yield disk
    if disk.is_ok:
        for finding in _file_system(settings.root):
            yield finding
    if settings.mirror.root is not None:
        yield found("mirror", lambda: _mirror(settings, can_be_created=disk.is_ok))


def _programs(settings: Settings) -> str:
    parts = [
        f"{selection.program}: {', '.join(selection.image_types)} of "
        f"{' and '.join(selection.instruments)}"
        for selection in settings.selections
    ]
    return "; ".join(parts)


def _cones(settings: Settings) -> Iterator[Finding]:
    """Find cones that may miss boards; nothing is yielded for the others."""
    for selection in settings.selections:
        if missed := selection.missed_by_cones:
            event = NarrowCones(selection.program, missed)
            yield Finding("cones", f"{selection.program}: {event.said}", event.remedy, warning=True)


def _permissions(settings: Settings, settings_file: Path | None) -> Iterator[Finding]:
    """Find files that others may read or change; nothing is yielded for the others."""
    files = dict.fromkeys(secret_files(settings), True)
    if settings_file is not None:
        files[settings_file] = holds_secret(settings_file)
    for path, secret in files.items():
        if (exposure := exposure_of(path, secret=secret)) is not None:
            yield Finding("permissions", exposure.said, exposure.remedy, warning=True)


async def _pages(settings: Settings) -> Finding | None:
    """Check who can see the pages; nothing is found where only this machine can, or a token is."""
    listen = settings.http.listen
    try:
        access = Access(read_page_token(settings.http.token_file), settings.http.trusted_proxy)
        await refuse_unprotected(listen, access)
    except UsageError as wrong:
        return failed("pages", wrong)
    if access.token is not None or not await open_addresses(listen):
        return None
    message = f"other machines may reach the pages on {listen}, which ask for no token"
    return Finding("pages", message, PagesOpen(listen).remedy, warning=True)


def _disk(settings: Settings) -> str:
    """Make sure that the root, or the directory where it will be created, is writable."""
    root = settings.root
    check_root(root)
    place = root if is_there(root) else root.parent
    free = _free_where_writable(place)
    if (lacking := settings.mirror.min_free - free) > 0:
        raise StorageError(
            f"{root} has {show_size(free)} free, less than mirror.min_free, "
            f"{show_size(settings.mirror.min_free)}",
            remedy=f"Free {show_size(lacking)}, or write a smaller min_free "
            'under [mirror], like min_free = "1 GiB".',
            code=ErrorCode.DISK_FULL,
        )
    state = settings.state
    if is_directory(state) and not state.is_relative_to(root):
        _free_where_writable(state)
    return f"{root} is writable, {show_size(free)} free"


def _free_where_writable(place: Path) -> int:
    """Create a file for a moment; return the free bytes there."""
    try:
        with (
            storage_errors_explained(place),
            tempfile.NamedTemporaryFile(dir=place, prefix=".winter-sync-check-"),
        ):
            return free_space(place)
    except StorageError as failed:
        # The name of a file that is gone again helps nobody.
        message = re.sub(r"/\.winter-sync-check-\w+", "", failed.message)
        own = f'Run `sudo chown "$(id -un)" {shlex.quote(str(place))}`.'
        remedy = own if "write permission" in failed.remedy else failed.remedy
        raise StorageError(message, remedy=remedy, code=failed.code) from None


def _file_system(root: Path) -> tuple[Finding, ...]:
    """Try what publishing needs, where the mirror is or will be."""
    what = "file system"
    try:
        report = probe_file_system(_nearest(root))
    except StorageError as error:
        return (failed(what, error),)
    findings = tuple(
        Finding(what, limitation.message, limitation.remedy, ExitCode.STORAGE)
        if limitation.is_fatal
        else Finding(what, limitation.message, limitation.remedy, warning=True)
        for limitation in report.limitations
    )
    if not report.has_hard_links:
        findings += (Finding(what, "no hard links: older revisions are copied instead"),)
    return findings or (Finding(what, "renames, locks, links and syncs files and directories"),)


def _nearest(root: Path) -> Path:
    """Return the directory where files are staged, or else the nearest that exists."""
    own = [] if (root / STATE_DIR).is_symlink() else [root / STATE_DIR]
    with storage_errors_explained(root):
        return next(path for path in [*own, root, root.parent] if is_directory(path))


def _mirror(settings: Settings, *, can_be_created: bool) -> str:
    """Make sure that an existing mirror is there, and not just its mount point."""
    catalog, root = settings.state / CATALOG, settings.root
    refuse_other_writers(Tree(root), settings.state)
    if has_name(catalog):
        refuse_other_root(Tree(root), _name_in(catalog), catalog)
    if Tree(root).name is not None:
        return f"catalog: {catalog}"
    if is_directory(root) and KnownRoots(known_roots_path(os.environ)).mirror_in(root) is not None:
        raise lost_mirror(root)
    return "none yet; the first sync will create it" if can_be_created else "none yet"


def _name_in(path: Path) -> str:
    """Return the name of the mirror that a catalog belongs to."""
    with closing(Catalog(path, utc_now, reading=True)) as catalog:
        return catalog.mirror_name() or ""
