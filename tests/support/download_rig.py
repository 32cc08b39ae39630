"""An archive that sends what a test wants, and what downloads from it into a tree and a catalog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.catalogs import poll, stored
from support.lister import PollRig, Sent, poll_rig
from support.makers import fits, zipped

from winter_sync.core.layout import STATE_DIR
from winter_sync.formats.zip_output import Limits
from winter_sync.sync.checked_mirror import CheckedMirror
from winter_sync.sync.downloader import Downloader
from winter_sync.sync.engine import Mirror
from winter_sync.sync.fetcher import Fetcher
from winter_sync.sync.quick_check import QuickCheck
from winter_sync.sync.retention import KeepLimits, Retention
from winter_sync.sync.transfer_record import TransferRecord
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from support.lister import Lister

    from winter_sync.core.events import Event
    from winter_sync.core.products import Product
    from winter_sync.core.queries import Selection
    from winter_sync.tree.publishing import Session

FREE = 1_000_000_000
CONTENT = fits(1)
"""Of every product, unless a test says otherwise."""


def packed(*products: Product, content: bytes = CONTENT) -> bytes:
    """Return a zip of products, all of one content."""
    return zipped([(product.filename, content) for product in products])


def cut(body: bytes) -> bytes:
    """Return a zip less its end."""
    return body[:-10]


@dataclass
class DownloadRig:
    """What downloads, and what it downloads into."""

    polling: PollRig
    tree: Tree
    session: Session
    threads: ThreadPoolExecutor
    limits: Limits = field(default_factory=Limits)
    keep: bool = True
    record: TransferRecord = field(default_factory=lambda: TransferRecord(None, ""))
    """Where it is kept how downloads went."""

    @property
    def lister(self) -> Lister:
        """The archive."""
        return self.polling.lister

    @property
    def events(self) -> list[Event]:
        """What was emitted."""
        return self.polling.events

    def emitted(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return self.polling.emitted(kind)

    async def want(self, *products: Product) -> None:
        """List products in the catalog, so that they are wanted."""
        await self.polling.catalog(poll, products)

    async def stored(self, product: Product) -> dict[str, Any]:
        """Return a product as it is in the catalog."""
        return await self.polling.catalog(stored, product)

    def fetcher(self) -> Fetcher:
        """Return what fetches batches."""
        return Fetcher(
            api=self.polling.api,
            session=self.session,
            threads=self.threads,
            keep=self.keep,
            emit=self.events.append,
            limits=self.limits,
        )

    def downloader(self) -> Downloader:
        """Return what downloads batches."""
        return Downloader(
            api=self.polling.api,
            catalog=self.polling.catalog,
            session=self.session,
            make_fetcher=self.fetcher,
            threads=self.threads,
            emit=self.events.append,
            time=self.polling.time,
            record=self.record,
        )

    def mirror(self, *selections: Selection, connections: int = 2) -> Mirror:
        """Return a mirror of these selections."""
        return Mirror(
            api=self.polling.api,
            catalog=self.polling.catalog,
            session=self.session,
            poller=self.polling.poller(),
            downloader=self.downloader(),
            quick_check=self._quick_check(),
            retention=Retention(
                catalog=self.polling.catalog,
                tree=self.tree,
                limits=KeepLimits(),
                threads=self.threads,
                clock=self.polling.time.clock,
                emit=self.events.append,
            ),
            threads=self.threads,
            selections=selections,
            connections=connections,
            emit=self.events.append,
        )

    def _quick_check(self) -> QuickCheck:
        polling = self.polling
        checked = CheckedMirror(polling.catalog, self.tree.root, lambda: None, polling.time)
        return QuickCheck(
            checked,
            threads=self.threads,
            poll_schedule=polling.poll_schedule,
            emit=self.events.append,
        )

    def files(self) -> dict[str, bytes]:
        """Return the content of every file in the tree that is not ours."""
        return {
            str(path.relative_to(self.tree.root)): path.read_bytes()
            for path in self.tree.root.rglob("*")
            if path.is_file() and STATE_DIR not in path.parts
        }

    def send(self, *answers: Sent | int) -> None:
        """Answer the next downloads so, the last for ever."""
        left = list(answers)

        async def answer(_: Sequence[str]) -> Sent | int:
            return left.pop(0) if len(left) > 1 else left[0]

        self.lister.send = answer

    def send_all(self) -> None:
        """Answer each download with all that it asks for."""

        async def answer(savepaths: Sequence[str]) -> Sent:
            return Sent(zipped([(path.rpartition("/")[2], CONTENT) for path in savepaths]))

        self.lister.send = answer


@asynccontextmanager
async def download_rig(directory: Path) -> AsyncIterator[DownloadRig]:
    """Yield an archive, an empty catalog, an empty tree and what downloads into them."""
    tree = Tree(directory / "winter", free_space=lambda _: FREE)
    tree.prepare("mirror")
    async with poll_rig(directory) as polling:
        with tree.session("session") as session, ThreadPoolExecutor(2) as threads:
            yield DownloadRig(polling, tree, session, threads)
