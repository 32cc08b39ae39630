"""What killed processes left: adopted, freed and cleared away."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from support.catalogs import candidates, publish
from support.counting_threads import CountingThreads
from support.download_rig import CONTENT
from support.makers import product
from support.trees import put

from winter_sync.catalog.catalog import Catalog
from winter_sync.core.file_events import Recovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from support.download_rig import DownloadRig

    from winter_sync.core.products import Product

P = ParamSpec("P")
T = TypeVar("T")
ARRIVED, COMMITTED, CLAIMED, OURS, LATE = PRODUCTS = tuple(map(product, range(5)))


def claim(catalog: Catalog, session: str, *products: Product) -> None:
    """Claim products for a session."""
    catalog.queue.claim([one for one in candidates(catalog) if one.product in products], session)


async def leave(rig: DownloadRig, session: str, *products: Product) -> None:
    """Publish products in a session that ends before it commits them."""
    with rig.tree.session(session) as killed:
        for one in products:
            put(killed, CONTENT, one)


async def recover(rig: DownloadRig) -> list[Recovered]:
    """Recover; return what is said of it."""
    rig.events.clear()
    await rig.mirror().recover()
    return rig.emitted(Recovered)


async def test_what_a_killed_process_left_is_put_in_order(downloads: DownloadRig) -> None:
    """What it published is adopted, once, and the rest is free; the living keep what they have."""
    catalog = downloads.polling.catalog
    await downloads.want(*PRODUCTS)
    await catalog(publish, COMMITTED, CONTENT)
    await catalog(claim, "killed", ARRIVED, CLAIMED)
    await catalog(claim, downloads.session.name, OURS)
    await leave(downloads, "killed", ARRIVED, COMMITTED)
    assert await recover(downloads) == [Recovered(1, 1)]
    stored = {one: await downloads.stored(one) for one in PRODUCTS}
    assert {one: row["state"] for one, row in stored.items()} == {
        ARRIVED: "published",
        COMMITTED: "published",
        CLAIMED: "wanted",
        OURS: "wanted",
        LATE: "wanted",
    }
    assert [row["claimed_by"] for row in stored.values()] == [None, None, None, "session", None]
    assert not downloads.tree.sessions.directory("killed").exists()
    assert downloads.tree.sessions.directory("session").exists()
    assert await recover(downloads) == []


async def test_what_only_was_claimed_is_freed(downloads: DownloadRig) -> None:
    """Also where nothing else is left of the process that claimed it."""
    await downloads.want(CLAIMED)
    await downloads.polling.catalog(claim, "killed", CLAIMED)
    assert await recover(downloads) == [Recovered(0, 1)]
    assert (await downloads.stored(CLAIMED))["claimed_by"] is None


async def test_what_only_arrived_is_adopted(downloads: DownloadRig) -> None:
    """Of each session that is dead."""
    await downloads.want(ARRIVED, COMMITTED)
    await leave(downloads, "killed", ARRIVED)
    await leave(downloads, "killed before", COMMITTED)
    assert await recover(downloads) == [Recovered(2, 0)]


async def test_what_begins_meanwhile_keeps_what_it_claims(downloads: DownloadRig) -> None:
    """A process that was not there when it was looked for is not taken for dead."""
    await downloads.want(CLAIMED, LATE)
    await downloads.polling.catalog(claim, "killed", CLAIMED)
    with Interleaved(downloads) as threads:
        downloads.threads = threads
        assert await recover(downloads) == [Recovered(0, 1)]
        assert threads.calls == 1
    assert (await downloads.stored(LATE))["claimed_by"] == "another"


async def test_the_tree_is_read_in_the_threads_given(downloads: DownloadRig) -> None:
    """Once to find what is dead, once to read what it left, and once to clear it away."""
    await downloads.want(ARRIVED)
    await leave(downloads, "killed", ARRIVED)
    with CountingThreads() as threads:
        downloads.threads = threads
        await recover(downloads)
        assert threads.calls == 3


class Interleaved(CountingThreads):
    """A thread; another process claims a product just before anything is run in it."""

    def __init__(self, rig: DownloadRig) -> None:
        super().__init__()
        self._rig = rig

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let it claim."""
        with closing(Catalog(self._rig.polling.path, self._rig.polling.clock)) as catalog:
            claim(catalog, "another", LATE)
        return super().submit(fn, *args, **kwargs)
