"""`winter-sync status`: what is here, and what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from winter_sync.cli.options import AsJson
from winter_sync.cli.process import console, prepare, run_until_interrupted, say

if TYPE_CHECKING:
    from winter_sync.config import Settings
    from winter_sync.monitoring import Status

_FILES_CHECKED = 5000
"""About this many files of the newest nights are checked for existence."""


def status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show what is here and what is pending, night by night.

    The first line says whether all that is listed of the last night is here.
    """
    from winter_sync.cli.views.status import show
    from winter_sync.monitoring import status_as_json

    settings, _ = prepare(context.obj, secrets=False)
    found = run_until_interrupted(_read(settings))
    if as_json:
        say(status_as_json(found))
    else:
        show(console(), found)


async def _read(settings: Settings) -> Status:
    from winter_sync.catalog import Scope
    from winter_sync.core import utc_now
    from winter_sync.factory import open_existing_catalog
    from winter_sync.monitoring import read_status, with_damaged
    from winter_sync.sync import check_newest

    async with open_existing_catalog(settings) as catalog:
        found = await read_status(catalog, settings.selections, utc_now(), settings.sink_filters)
        damaged = await check_newest(
            catalog,
            settings.root,
            Scope(programs=tuple(selection.program for selection in settings.selections)),
            _FILES_CHECKED,
            follow_links=settings.mirror.follow_links,
        )
        return with_damaged(found, damaged)
