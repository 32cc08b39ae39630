"""Where the parts are put together: the only module that builds and closes them."""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from winter_sync import keyring
from winter_sync.api import Api, Timeouts
from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.disk import explained, is_file
from winter_sync.downloader import Downloader
from winter_sync.errors import StorageError, UsageError
from winter_sync.fetcher import Fetcher
from winter_sync.mirror import Mirror
from winter_sync.poller import Poller
from winter_sync.reading import may_write
from winter_sync.roots import Roots, memory_path
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from winter_sync.events import Tell
    from winter_sync.models import Credentials, Selection
    from winter_sync.settings import Settings
    from winter_sync.tree import Session

CATALOG = "catalog.sqlite3"
PATIENCE = 120.0
"""So many seconds a run that ends waits for a server that is unwell."""


def now() -> datetime:
    """Give the current UTC time."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_api(  # noqa: PLR0913 - time comes in three ways, all by name
    settings: Settings,
    credentials: Credentials,
    tell: Tell = lambda _: None,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], datetime] = now,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Api]:
    """Open a client of the archive that the settings name."""
    api = settings.api
    async with Api(
        settings.base_url,
        credentials,
        proxy=settings.proxy,
        interval=api.request_interval.total_seconds(),
        connections=api.connections,
        timeouts=Timeouts(
            query=api.query_timeout.total_seconds(),
            first_byte=api.first_byte_timeout.total_seconds(),
            silence=api.silence_timeout.total_seconds(),
        ),
        clock=clock,
        monotonic=monotonic,
        sleep=sleep,
        patience=patience,
        tell=tell,
    ) as opened:
        yield opened


@asynccontextmanager
async def open_mirror(  # noqa: PLR0913 - time comes in three ways, all by name
    settings: Settings,
    tell: Tell,
    *,
    selections: Sequence[Selection] | None = None,
    credentials: Credentials | None = None,
    patience: float = PATIENCE,
    clock: Callable[[], datetime] = now,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Mirror]:
    """Open the mirror that the settings describe, and close all of it at the end.

    Parameters
    ----------
    settings
        Checked settings.
    tell
        Hears what happens.
    selections
        What to mirror, where that is not all that the settings name.
    credentials
        The secrets, where they were found before.
    patience
        How many seconds a request may be held while the server is unwell.
    clock
        Gives the current UTC time.
    monotonic, sleep
        Give a time in seconds that never goes back; wait so many seconds.

    Raises
    ------
    UsageError
        If a secret is missing or nothing is to be mirrored.
    StorageError
        If the root or the catalog cannot be used, or they are not each other's.
    """
    secrets = credentials or keyring.credentials(settings)
    chosen = settings.selections if selections is None else tuple(selections)
    tree = Tree(settings.root, min_free=settings.mirror.min_free)
    async with (
        _open_catalog(settings, tree, clock) as catalog,
        open_api(
            settings,
            secrets,
            tell,
            patience=patience,
            clock=clock,
            monotonic=monotonic,
            sleep=sleep,
        ) as api,
    ):
        with (
            tree.session(uuid.uuid4().hex) as session,
            ThreadPoolExecutor(settings.api.connections, "intake") as threads,
        ):
            for noticed in tree.untold():
                tell(noticed)
            parts = _Parts(settings, api, catalog, session, threads, tell)
            yield parts.mirror(chosen, clock)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is opened for a mirror."""

    settings: Settings
    api: Api
    catalog: CatalogThread
    session: Session
    threads: Executor
    tell: Tell

    def mirror(self, selections: Sequence[Selection], clock: Callable[[], datetime]) -> Mirror:
        """Put the mirror together."""
        return Mirror(
            api=self.api,
            catalog=self.catalog,
            session=self.session,
            poller=self._poller(clock),
            downloader=self._downloader(),
            threads=self.threads,
            selections=selections,
            connections=self.settings.api.connections,
            tell=self.tell,
        )

    def _poller(self, clock: Callable[[], datetime]) -> Poller:
        return Poller(
            api=self.api,
            catalog=self.catalog,
            layout=self.settings.layout,
            rhythm=self.settings.rhythm,
            tell=self.tell,
            clock=clock,
        )

    def _downloader(self) -> Downloader:
        return Downloader(
            api=self.api,
            catalog=self.catalog,
            session=self.session,
            fetcher=Fetcher(
                api=self.api,
                session=self.session,
                threads=self.threads,
                keep=self.settings.mirror.on_change == "keep",
                tell=self.tell,
            ),
            threads=self.threads,
            tell=self.tell,
            random=random.random,
        )


@asynccontextmanager
async def open_existing_catalog(
    settings: Settings, *, beside_writer: bool = False
) -> AsyncIterator[CatalogThread]:
    """Open the catalog of a mirror that has run before, for looking at it.

    Whoever may not write there can look, too. `beside_writer` says that it is open already: then
    nothing is written by looking, and nobody waits for anybody.

    Raises
    ------
    UsageError
        If there is none.
    StorageError
        If it cannot be read.
    """
    path = settings.state / CATALOG
    if not is_file(path):
        raise UsageError(
            f"there is no mirror in {settings.root} yet",
            remedy="Run `winter-sync sync` first, or check mirror.root and mirror.state.",
        )
    reading = beside_writer or not may_write(path)
    async with CatalogThread(path, now, reading=reading) as catalog:
        yield catalog


@asynccontextmanager
async def _open_catalog(
    settings: Settings, tree: Tree, clock: Callable[[], datetime]
) -> AsyncIterator[CatalogThread]:
    path = settings.state / CATALOG
    roots = Roots(memory_path(os.environ))
    name = _existing(tree, path) if is_file(path) else _beginning(tree, roots)
    _make_state(settings.state)
    roots.remember(tree.root, name)
    async with CatalogThread(path, clock) as catalog:
        known = await catalog(Catalog.mirror_name)
        if known is None:
            await catalog(Catalog.take_mirror_name, name)
        elif known != name:
            raise StorageError(
                f"{path} is the catalog of another mirror than the one in {tree.root}",
                remedy="Set mirror.state and mirror.root to the two that belong together.",
            )
        yield catalog


def _existing(tree: Tree, catalog: Path) -> str:
    """Give the name of a mirror that must be there, because its catalog is."""
    name = tree.name
    if name is None:
        raise StorageError(
            f"{tree.root} is not the mirror that {catalog} describes: its marker is gone",
            remedy="Is its file system mounted? Nothing was changed.",
        )
    return tree.prepare(name)


def _beginning(tree: Tree, roots: Roots) -> str:
    """Give the name of a mirror that may begin here, unless one was here and is gone."""
    roots.forget_removed()
    if tree.name is None and roots.mirror_in(tree.root) is not None:
        raise StorageError(
            f"{tree.root} held a mirror, and holds none now",
            remedy="Is its file system mounted? Nothing was changed. If you emptied it on purpose, "
            f"remove it from {roots.path}.",
        )
    return tree.prepare(uuid.uuid4().hex)


def _make_state(directory: Path) -> None:
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
