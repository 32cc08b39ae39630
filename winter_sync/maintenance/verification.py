"""Verify the files of a mirror against its catalog, and repair what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from winter_sync.catalog import CatalogThread, Checks, Damaged, Files, Scope, may_write
from winter_sync.config import Choice, check_root, read_credentials
from winter_sync.core import CATALOG, REAL_TIME, Damage, ErrorCode, Time, UsageError
from winter_sync.factory import checked_mirror, open_existing_catalog, open_mirror
from winter_sync.maintenance.after_run import finish_run
from winter_sync.maintenance.file_checker import LISTED, FileChecker
from winter_sync.maintenance.results import Checked, Damages, Repair, Result
from winter_sync.maintenance.strays import find_strays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from winter_sync.config import Settings
    from winter_sync.core import Selection, Sink
    from winter_sync.maintenance.file_checker import Verified
    from winter_sync.maintenance.results import Request

RESUMABLE = timedelta(days=30)
"""A check interrupted longer ago than this starts afresh: what it saw is too old to vouch for."""
_EVER = "9999-12-31T00:00:00+00:00"
"""Sorts after every time in the catalog."""


class Display(Protocol):
    """Shows a verification while it runs."""

    def checking(self, files: int, size: int) -> AbstractContextManager[Callable[[int, int], None]]:
        """Show a check of the given number of files and bytes.

        The function that is returned takes the numbers of files and bytes just checked.
        """

    def repairing(self) -> AbstractContextManager[Sink]:
        """Show the downloads of a repair; the function that is returned takes their events."""


async def verify(
    settings: Settings, request: Request, display: Display, *, time: Time = REAL_TIME
) -> Result:
    """Compare files with the catalog, and repair what is wrong if requested.

    Parameters
    ----------
    settings
        Checked settings.
    request
        What to verify.
    display
        Shows the work as it goes.
    time
        Clocks, and how to wait.

    Raises
    ------
    UsageError
        If there is nothing to check.
    StorageError
        If the root does not hold the mirror, or the catalog cannot be used.
    """
    asked = request.programs if request.repair else ()
    selections = Choice(asked).narrow(settings.selections)
    check_root(settings.root)
    async with open_existing_catalog(settings) as catalog:
        checked = await _Check(settings, catalog, request, display, time).run()
        damages = await _find_damages(catalog, request.scope, checked)
    repair = Repair()
    if request.repair and damages.total:
        repair = await _repair(settings, request, selections, display, time)
    async with open_existing_catalog(settings) as catalog:
        damages = await _find_damages(catalog, request.scope, checked)
        strays = await find_strays(settings.root, catalog, request)
    return Result(request, checked, damages, repair, strays)


@dataclass(frozen=True, slots=True)
class _Check:
    """The check of the requested files, quickly or in full."""

    settings: Settings
    catalog: CatalogThread
    request: Request
    display: Display
    time: Time

    async def run(self) -> Checked:
        """Check the files.

        Raises
        ------
        UsageError
            If there are none.
        """
        counted = await self.catalog.files(Files.count_held, self.request.scope, "")
        pending = await self.catalog.files(Files.count_damaged, self.request.scope)
        if not counted["files"] and not any(pending.values()):
            raise _nothing_to_check(self.request)
        recording = may_write(self.settings.state / CATALOG)
        if self.request.quick:
            return await self._quick(counted["files"], recording=recording)
        return await self._full(recording=recording)

    async def _quick(self, files: int, *, recording: bool) -> Checked:
        with self.display.checking(files, 0) as checked:
            checker = await self._checker(checked, recording=recording)
            await checker.quick(self.request.scope)
            if self.request.repair and recording:
                # A time alone is no reason to download again: the content decides.
                suspects = Scope(self.request.programs, nights=self.request.nights, damaged=True)
                content = await self._checker(checked, recording=True)
                await self.catalog.checks(Checks.check_damaged_again, suspects)
                await content.full(suspects, _EVER)
                checker.verified.unreadable.update(content.verified.unreadable)
        return Checked(checker.verified, recording)

    async def _full(self, *, recording: bool) -> Checked:
        if not recording:
            verified, _ = await self._read(_EVER, recording=False)
            return Checked(verified, recorded=False)
        run = await self.catalog.checks(Checks.begin, self.request.selection, RESUMABLE)
        await self.catalog.checks(Checks.check_damaged_again, self.request.scope)
        verified, earlier = await self._read(run.started_at, recording=True)
        await self.catalog.checks(Checks.finish, run)
        if not run.resumed:
            return Checked(verified, recorded=True)
        return Checked(verified, recorded=True, checked_before=earlier, begun=run.started_at)

    async def _read(self, before: str, *, recording: bool) -> tuple[Verified, int]:
        """Read the files last read before a time of the catalog; count the others."""
        scope = self.request.scope
        counted = await self.catalog.files(Files.count_held, scope, before)
        with self.display.checking(counted["left"], counted["size_left"]) as checked:
            checker = await self._checker(checked, recording=recording)
            await checker.full(scope, before)
        return checker.verified, counted["files"] - counted["left"]

    async def _checker(
        self, checked: Callable[[int, int], None], *, recording: bool
    ) -> FileChecker:
        return FileChecker(
            await checked_mirror(self.settings, self.catalog, self.time),
            rate=self.settings.mirror.verify_rate,
            recording=recording,
            on_progress=checked,
        )


async def _find_damages(catalog: CatalogThread, scope: Scope, checked: Checked) -> Damages:
    """Return what is wrong: found now, or earlier and not right again yet."""
    listed = {
        product.path: product for product in await catalog.files(Files.damaged, scope, LISTED)
    }
    counts = await catalog.files(Files.count_damaged, scope)
    if not checked.recorded:
        for path, check in checked.verified.found.items():
            if path not in listed and check.damage is not None:
                listed[path] = Damaged.of(check)
                counts[check.damage] += 1
    return Damages([listed[path] for path in sorted(listed)], counts)


async def _repair(
    settings: Settings,
    request: Request,
    selections: Sequence[Selection],
    display: Display,
    time: Time,
) -> Repair:
    """Download again what is missing or changed, and nothing else."""
    programs = tuple(selection.program for selection in selections)
    credentials = read_credentials(settings)
    with display.repairing() as emit:
        async with open_mirror(
            settings, emit, selections=selections, credentials=credentials, time=time
        ) as mirror:
            damaged = await mirror.catalog.files(Files.damaged, request.scope, LISTED)
            await mirror.catalog.checks(Checks.want_damaged, request.scope)
            report = await mirror.fetch(Scope(programs, nights=request.nights, damaged=True))
            await finish_run(mirror, settings, credentials, time)
    return Repair(report, [product for product in damaged if _is_unlisted(product)])


def _is_unlisted(product: Damaged) -> bool:
    return product.withdrawn and product.damage is Damage.MISSING


def _nothing_to_check(request: Request) -> UsageError:
    about = [f"program {name}" for name in request.programs]
    about += [f"night {night}" for night in request.nights]
    of_these = f" of {', '.join(about)}" if about else ""
    return UsageError(
        f"nothing to check: no product{of_these} has been downloaded",
        remedy="`winter-sync status` shows what is here.",
        code=ErrorCode.USE_PRODUCT,
    )
