"""What every command that downloads or adopts does at its end: it may be the only one that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog import Facts
from winter_sync.core import StorageError
from winter_sync.factory import make_deliverer
from winter_sync.maintenance.manifests import Manifests

if TYPE_CHECKING:
    from winter_sync.config import Settings
    from winter_sync.core import Credentials, Time
    from winter_sync.sync import Mirror


async def finish_run(
    mirror: Mirror, settings: Settings, credentials: Credentials, time: Time
) -> None:
    """Read the headers of images, write manifests of settled nights, and deliver events.

    Of all that is mirrored, and in this order: a sink that is told of a night finds its manifest.
    What fails of it is a warning, and done by the next run.
    """
    if settings.facts.enabled and await _may_have_due_facts(mirror):
        from winter_sync.maintenance.facts import record_facts  # noqa: PLC0415 - mostly none are due

        await record_facts(mirror, time)
    async with Manifests(
        catalog=mirror.catalog,
        state=settings.state,
        selections=settings.selections,
        settle_after=settings.schedule.settle_after,
        emit=mirror.emit,
        time=time,
    ) as manifests:
        await manifests.update_once()
    await make_deliverer(settings, credentials, mirror, time).deliver_waiting()


async def _may_have_due_facts(mirror: Mirror) -> bool:
    """Return whether headers are to be read; a catalog that fails is reported where they are."""
    try:
        return bool(await mirror.catalog.facts(Facts.due, 1))
    except StorageError:
        return True
