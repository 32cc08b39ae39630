"""The loop of downloads: what it does after each batch, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.catalogs import ALL
from support.download_rig import packed
from support.lister import Sent
from support.makers import PROGRAM, product

from winter_sync.core.errors import CredentialsRefusedError, TransientError
from winter_sync.sync.coordination import Coordination
from winter_sync.sync.download_breaker import DownloadBreaker
from winter_sync.sync.download_loop import DownloadLoop
from winter_sync.sync.refused_programs import RefusedPrograms
from winter_sync.sync.results import Served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.download_rig import DownloadRig

    from winter_sync.core.errors import WinterSyncError
    from winter_sync.sync.results import BatchResult

PRODUCTS = tuple(product(number) for number in range(6))


class Stage:
    """A loop, and all that it tells others; it ends after the given waits."""

    def __init__(self, rig: DownloadRig, *, idle: int = 1, opened: int = 1) -> None:
        self.results: list[tuple[Served, WinterSyncError | None]] = []
        self.refusals: list[tuple[str, WinterSyncError]] = []
        self.idle: list[int] = []
        self.opened: list[int] = []
        self.coordination = Coordination()
        self.breaker = DownloadBreaker()
        self.refused = RefusedPrograms(lambda *refusal: self.refusals.append(refusal))
        self.loop = DownloadLoop(
            downloader=rig.downloader(),
            scope=ALL,
            coordination=self.coordination,
            breaker=self.breaker,
            refused=self.refused,
            when_idle=self._waiting(self.idle, idle),
            when_open=self._waiting(self.opened, opened),
            on_result=self._record,
        )

    def _waiting(self, seen: list[int], times: int) -> Callable[[int], Awaitable[bool]]:
        async def wait(changes: int) -> bool:
            seen.append(changes)
            return len(seen) < times

        return wait

    def _record(self, result: BatchResult, error: WinterSyncError | None) -> None:
        self.results.append((result.served, error))


async def test_batches_are_downloaded_until_there_are_none(downloads: DownloadRig) -> None:
    """Each wakes whoever waits; then the loop waits for a change, as often as it is told to."""
    await downloads.want(*PRODUCTS[:2])
    downloads.send(Sent(packed(*PRODUCTS[:2])))
    stage = Stage(downloads, idle=3)
    await stage.loop.run()
    assert stage.results == [(Served.PRODUCTS, None)]
    assert stage.coordination.changes == 1
    assert (stage.idle, stage.opened) == ([1, 1, 1], [])


async def test_a_closed_loop_downloads_nothing(downloads: DownloadRig) -> None:
    """Nor does it wait."""
    await downloads.want(PRODUCTS[0])
    stage = Stage(downloads)
    stage.coordination.close()
    await stage.loop.run()
    assert (stage.results, stage.idle, stage.opened) == ([], [], [])


async def test_when_the_server_serves_nothing_downloads_stop(downloads: DownloadRig) -> None:
    """With the error that says so, once; while the breaker is open the loop waits."""
    await downloads.want(*PRODUCTS)
    downloads.send(503)
    downloads.lister.ping = 503
    stage = Stage(downloads, opened=2)
    await stage.loop.run()
    *before, (served, error) = stage.results
    assert before == [(Served.UNWELL, None)] * 2
    assert served is Served.UNWELL
    assert isinstance(error, TransientError)
    assert stage.breaker.is_open
    assert (stage.idle, stage.opened) == ([], [0, 0])
    assert stage.coordination.changes == 0


async def test_what_the_breaker_doubts_is_asked_for_alone(downloads: DownloadRig) -> None:
    """It chooses each batch, by what came of those before."""
    many = [product(number) for number in range(24)]
    await downloads.want(*many)
    downloads.send(404)
    stage = Stage(downloads)
    await stage.loop.run()
    assert stage.breaker.is_open
    sizes = [len(paths) for paths in downloads.lister.downloads]
    assert all(size > 1 for size in sizes[:3])
    assert sum(sizes[:3]) < len(many)
    assert sizes[3:] == [1] * 5
    assert {served for served, _ in stage.results} == {Served.NOTHING}
    assert len(stage.opened) == 1


async def test_a_refused_program_is_left_out(downloads: DownloadRig) -> None:
    """With its error; then there is nothing to download."""
    await downloads.want(*PRODUCTS)
    downloads.send(403)
    downloads.lister.program = 401
    stage = Stage(downloads)
    await stage.loop.run()
    ((program, error),) = stage.refusals
    assert program == PROGRAM
    assert isinstance(error, CredentialsRefusedError)
    assert stage.results == [(Served.REFUSED, None)]
    assert len(downloads.lister.downloads) == 1
    assert stage.idle == [0]
