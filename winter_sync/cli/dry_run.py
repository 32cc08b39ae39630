"""`backfill --dry-run`: what the archive lists, what of it is here, what would be downloaded."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.process import say
from winter_sync.cli.views.dry_run import dry_run_lines, dry_run_table
from winter_sync.cli.views.run_report import error_lines
from winter_sync.cli.views.sentences import print_sentence
from winter_sync.config import read_credentials
from winter_sync.core import ExitCode, UsageError, gravest
from winter_sync.factory import open_api, open_existing_catalog
from winter_sync.sync import dry_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rich.console import Console

    from winter_sync.catalog import CatalogThread
    from winter_sync.config import Settings
    from winter_sync.core import Part, Selection
    from winter_sync.sync import Nights


async def show_dry_run(  # noqa: PLR0913 - what a backfill has
    settings: Settings,
    console: Console,
    selections: Sequence[Selection],
    nights: Nights,
    part: Part,
    *,
    recheck: bool,
) -> ExitCode:
    """Print what a backfill would do, and return with what code it ends.

    Raises
    ------
    WinterSyncError
        If the archive does not answer, or the catalog cannot be read.
    """
    async with (
        _catalog(settings) as catalog,
        open_api(settings, read_credentials(settings)) as api,
    ):
        found = await dry_run(api, catalog, selections, nights, part, recheck=recheck)
    if found.groups:
        console.print(dry_run_table(found), crop=False)
    for line in dry_run_lines(found, recheck=recheck):
        print_sentence(console, line)
    for line in error_lines(error for _, error in found.failed):
        say(str(Text(line)), sys.stderr)
    return gravest(error.exit_code for _, error in found.failed)


@asynccontextmanager
async def _catalog(settings: Settings) -> AsyncIterator[CatalogThread | None]:
    """Open the catalog for reading alone; None where no mirror has begun."""
    async with AsyncExitStack() as opened:
        opening = open_existing_catalog(settings, beside_writer=True)
        catalog = None
        with suppress(UsageError):
            catalog = await opened.enter_async_context(opening)
        yield catalog
