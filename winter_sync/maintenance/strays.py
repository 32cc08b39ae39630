"""Files that belong to no product: foreign ones in the tree, orphaned ones of winter-sync."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.catalog import Files
from winter_sync.maintenance.file_checker import LISTED
from winter_sync.maintenance.results import Strays
from winter_sync.tree import (
    REVISIONS,
    WITHDRAWN,
    FileWalk,
    Tree,
    abandoned_files,
    paths_of_nights,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from winter_sync.catalog import CatalogThread
    from winter_sync.maintenance.results import Request


async def find_strays(root: Path, catalog: CatalogThread, request: Request) -> Strays:
    """Find foreign files, and orphaned ones when the whole mirror is verified."""
    if request.programs:
        return Strays()
    nights = {night.name for night in request.nights}
    walk, foreign = FileWalk(root), _Paths()
    while paths := await asyncio.to_thread(walk.next_paths):
        chosen = paths_of_nights(paths, nights)
        known = await catalog.files(Files.known_paths, chosen)
        foreign.add(path for path in chosen if path not in known)
    if nights:
        return Strays(foreign.listed, foreign.files, closed=tuple(walk.unreadable))
    unreadable, orphaned = await _find_orphaned(root, catalog)
    closed = (*walk.unreadable, *unreadable)
    return Strays(foreign.listed, foreign.files, orphaned.listed, orphaned.files, closed)


async def _find_orphaned(root: Path, catalog: CatalogThread) -> tuple[list[str], _Paths]:
    orphaned, unreadable = _Paths(), list[str]()
    for below in (REVISIONS, WITHDRAWN):
        walk = FileWalk(root, below)
        while paths := await asyncio.to_thread(walk.next_paths):
            known = await catalog.files(Files.known_kept, paths)
            orphaned.add(path for path in paths if path not in known)
        unreadable += walk.unreadable
    orphaned.add(await asyncio.to_thread(abandoned_files, Tree(root)))
    return unreadable, orphaned


class _Paths:
    """Paths, counted; the first are kept."""

    def __init__(self) -> None:
        self.files = 0
        self._paths: list[str] = []

    def add(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.files += 1
            if len(self._paths) < LISTED:
                self._paths.append(path)

    @property
    def listed(self) -> tuple[str, ...]:
        return tuple(sorted(self._paths))
