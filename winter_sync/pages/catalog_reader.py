"""The catalog as the pages read it: on one thread, by a connection that only reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.core import CATALOG, ErrorCode, StorageError, UsageError, has_name, utc_now
from winter_sync.tree import Tree, refuse_other_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")


class CatalogReader:
    """Opens the catalog of a mirror when it is first asked for, and again after a failure.

    All that asks waits for one thread: however many ask, pages take no more than that.
    """

    def __init__(self) -> None:
        self._thread: CatalogThread | None = None
        self._place: tuple[Path, Path] | None = None
        self._opening = asyncio.Lock()

    async def read(
        self,
        root: Path,
        state: Path,
        function: Callable[Concatenate[Catalog, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function with the catalog of a mirror, on its thread.

        Raises
        ------
        UsageError
            If there is no mirror.
        StorageError
            If its catalog cannot be read.
        """
        thread = await self._opened(root, state)
        try:
            return await thread(function, *args, **kwargs)
        except StorageError:
            await self.close()
            raise

    async def _opened(self, root: Path, state: Path) -> CatalogThread:
        async with self._opening:
            if self._thread is not None and self._place == (root, state):
                return self._thread
            await self.close()
            self._thread, self._place = await _open(root, state), (root, state)
            return self._thread

    async def close(self) -> None:
        """Close the catalog; it is opened again when it is asked for."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.__aexit__()


async def _open(root: Path, state: Path) -> CatalogThread:
    path = state / CATALOG
    if not has_name(path):
        raise UsageError(
            f"there is no mirror in {root} yet",
            remedy="Run `winter-sync sync` first, or check mirror.root and mirror.state.",
            code=ErrorCode.MIRROR_NONE,
        )
    thread = await CatalogThread(path, utc_now, reading=True).__aenter__()
    try:
        name = await thread(Catalog.mirror_name)
        if name is not None:
            refuse_other_root(Tree(root), name, path)
    except BaseException:
        await thread.__aexit__()
        raise
    return thread
