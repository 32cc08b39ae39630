"""The catalog of a mirror: made, opened, and held against its root."""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from winter_sync.catalog import (
    Catalog,
    CatalogThread,
    Checks,
    Files,
    Scope,
    may_write,
)
from winter_sync.core import (
    CATALOG,
    Damage,
    ErrorCode,
    UsageError,
    WinterSyncError,
    has_name,
    storage_errors_explained,
    utc_now,
)
from winter_sync.sync import (
    stat_files,
)
from winter_sync.tree import (
    KnownRoots,
    Tree,
    known_roots_path,
    lost_mirror,
    refuse_other_root,
    refuse_other_writers,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from winter_sync.config import Settings


@asynccontextmanager
async def open_existing_catalog(
    settings: Settings, *, beside_writer: bool = False
) -> AsyncIterator[CatalogThread]:
    """Open the catalog of a mirror that has run before, for reading.

    Users without permission to write can read it, too. `beside_writer` says that it is open
    already: then reading writes nothing, and neither side waits for the other.

    Raises
    ------
    UsageError
        If there is none.
    StorageError
        If it cannot be read.
    """
    path = settings.state / CATALOG
    if not has_name(path):
        raise _nothing_yet(settings.root)
    reading = beside_writer or not may_write(path)
    async with CatalogThread(path, utc_now, reading=reading) as catalog:
        name = await catalog(Catalog.mirror_name)
        if name is not None:
            refuse_other_root(Tree(settings.root), name, path)
        yield catalog


def _nothing_yet(root: Path) -> WinterSyncError:
    """Distinguish a root that held a mirror from one in which none has begun."""
    if (
        KnownRoots(known_roots_path(os.environ)).mirror_in(root) is not None
        and Tree(root).name is None
    ):
        return lost_mirror(root)
    return UsageError(
        f"there is no mirror in {root} yet",
        remedy="Run `winter-sync sync` first, or check mirror.root and mirror.state.",
        code=ErrorCode.MIRROR_NONE,
    )


@asynccontextmanager
async def open_catalog(
    settings: Settings, tree: Tree, clock: Callable[[], datetime], *, new_root: bool
) -> AsyncIterator[CatalogThread]:
    """Open the catalog that belongs to a tree, or begin one.

    `new_root` says that the root was emptied on purpose, so that its mirror may begin afresh.

    Raises
    ------
    StorageError
        If the root or the catalog cannot be used, or they are not each other's.
    """
    path = settings.state / CATALOG
    roots = KnownRoots(known_roots_path(os.environ))
    refuse_other_writers(tree, settings.state)
    if has_name(path):
        async with CatalogThread(path, clock) as catalog:
            yield await _reopened(catalog, path, tree, roots, new_root=new_root)
        return
    name = _beginning(tree, roots, new_root=new_root)
    _make_state(settings.state)
    roots.remember(tree.root, name)
    async with CatalogThread(path, clock) as catalog:
        await catalog(Catalog.take_mirror_name, name)
        known = await catalog(Catalog.mirror_name)
        refuse_other_root(tree, known or name, path)
        yield catalog


async def _reopened(
    catalog: CatalogThread, path: Path, tree: Tree, roots: KnownRoots, *, new_root: bool
) -> CatalogThread:
    """Return an existing catalog, once it is certain that it belongs to the root."""
    known = await catalog(Catalog.mirror_name)
    if known is not None and new_root and tree.name is None:
        await _want_missing_files(catalog, tree)
    elif known is not None:
        refuse_other_root(tree, known, path)
    name = tree.prepare(known or uuid.uuid4().hex)
    await catalog(Catalog.take_mirror_name, name)
    roots.remember(tree.root, name)
    return catalog


async def _want_missing_files(catalog: CatalogThread, tree: Tree) -> None:
    """Want all products again whose files are not in a root that was emptied.

    Before the root gets its marker: whatever interrupts this, it is done again.
    """
    everything = Scope(programs=())
    for night in await catalog.files(Files.held_nights, everything):
        held = await catalog.files(Files.held, everything, night)
        findings = await asyncio.to_thread(
            stat_files, tree.root, held, follow_links=tree.follow_links
        )
        gone = [finding.check for finding in findings if finding.check.damage is Damage.MISSING]
        await catalog.checks(Checks.want_lost, gone)


def _beginning(tree: Tree, roots: KnownRoots, *, new_root: bool) -> str:
    """Return the name of a mirror that may begin here, unless one was here and is gone."""
    roots.forget_removed()
    if tree.name is None and roots.mirror_in(tree.root) is not None and not new_root:
        raise lost_mirror(tree.root)
    return tree.prepare(uuid.uuid4().hex)


def _make_state(directory: Path) -> None:
    with storage_errors_explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
