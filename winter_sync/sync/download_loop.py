"""The loop of downloads: batch after batch, in runs that end and in the daemon alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import CredentialsRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from winter_sync.catalog import Scope
    from winter_sync.core import WinterSyncError
    from winter_sync.sync.coordination import Coordination
    from winter_sync.sync.download_breaker import DownloadBreaker
    from winter_sync.sync.downloader import Downloader
    from winter_sync.sync.refused_programs import RefusedPrograms
    from winter_sync.sync.results import BatchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLoop:
    """Downloads a scope; as many calls of `run` may be under way as there are connections.

    Attributes
    ----------
    downloader, scope
        What downloads a batch, and the products to download.
    coordination, breaker, refused
        What ends the loop; what pauses it; which programs are left out.
    when_idle, when_open
        Wait while there is nothing to download, and while the breaker is open. Both are given the
        changes that were seen, and return whether to go on.
    on_result
        Receives each result, and its error where that opened the breaker.
    by_hand
        Whether a person asked for this scope: then nothing that is fetched again waits.
    """

    downloader: Downloader
    scope: Scope
    coordination: Coordination
    breaker: DownloadBreaker
    refused: RefusedPrograms
    when_idle: Callable[[int], Awaitable[bool]]
    when_open: Callable[[int], Awaitable[bool]]
    on_result: Callable[[BatchResult, WinterSyncError | None], None]
    by_hand: bool = False

    async def run(self) -> None:
        """Download batch after batch, until closed or asked not to go on.

        Raises
        ------
        StorageError
            If the disk or the catalog fails.
        """
        goes_on = True
        while goes_on and not self.coordination.closed:
            await self.downloader.wait_for_slot()
            if self.coordination.closed:
                return
            seen = self.coordination.changes
            if self.breaker.is_open:
                goes_on = await self.when_open(seen)
            elif not await self._download_batch():
                goes_on = await self.when_idle(seen)

    async def _download_batch(self) -> bool:
        """Download one batch; return whether there was one."""
        scope = self.refused.without(self.scope)
        result = await self.downloader.download_batch(
            scope, self.breaker.choose, by_hand=self.by_hand
        )
        if result is None:
            return False
        opened = self.breaker.record(result)
        self.on_result(result, result.error if opened else None)
        if isinstance(result.error, CredentialsRefusedError):
            self.refused.add(result.batch.program, result.error)
        if result.outcomes:
            self.coordination.wake()
        return True
