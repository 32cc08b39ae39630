"""`winter-sync status`: what is here, and what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.options import AsJson, Programs, Types, parse_night
from winter_sync.cli.process import console, prepare, run_until_interrupted, say
from winter_sync.core import Night

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.config import Settings
    from winter_sync.core import Selection
    from winter_sync.monitoring import NightDetail, Only, Status

_FILES_CHECKED = 5000
"""About this many files of the newest nights are checked for existence."""


NightOf = Annotated[
    Night | None,
    typer.Option(
        "--night",
        metavar="NIGHT",
        parser=parse_night,
        help="Only this night, by program and type: 20240211.",
    ),
]


def status(
    context: typer.Context,
    programs: Programs = None,
    types: Types = None,
    *,
    night: NightOf = None,
    as_json: AsJson = False,
) -> None:
    """Show what is here and what is pending, night by night.

    The first line says whether all that is listed of the last night is here.
    """
    from winter_sync.config import Choice, require_mirror
    from winter_sync.monitoring import Only, status_as_json

    settings, _ = prepare(context.obj, secrets=False)
    require_mirror(settings)
    only = Only(tuple(programs or ()), tuple(types or ()))
    selections = Choice(only.programs).narrow(settings.selections)
    if night is not None:
        _show_night(settings, selections, night, only, as_json=as_json)
        return
    found = run_until_interrupted(_read(settings, selections, only))
    if as_json:
        say(status_as_json(found))
    else:
        from winter_sync.cli.views.status import show

        show(console(), found)


def _show_night(
    settings: Settings,
    selections: Sequence[Selection],
    night: Night,
    only: Only,
    *,
    as_json: bool,
) -> None:
    from winter_sync.cli.views.night_detail import show_night

    found = run_until_interrupted(_read_night(settings, selections, night, only))
    if as_json:
        say(found.json())
    else:
        show_night(console(), found, only)


async def _read_night(
    settings: Settings, selections: Sequence[Selection], night: Night, only: Only
) -> NightDetail:
    from winter_sync.factory import open_existing_catalog
    from winter_sync.monitoring import read_night

    programs = [selection.program for selection in selections]
    async with open_existing_catalog(settings) as catalog:
        return await read_night(catalog, programs, night, only)


async def _read(settings: Settings, selections: Sequence[Selection], only: Only) -> Status:
    from winter_sync.catalog import Scope
    from winter_sync.core import utc_now
    from winter_sync.factory import open_existing_catalog
    from winter_sync.monitoring import read_status, with_damaged
    from winter_sync.sync import check_newest

    async with open_existing_catalog(settings) as catalog:
        found = await read_status(catalog, selections, utc_now(), settings.sink_filters, only)
        damaged = await check_newest(
            catalog,
            settings.root,
            Scope(
                programs=tuple(selection.program for selection in selections),
                image_types=only.image_types,
            ),
            _FILES_CHECKED,
            follow_links=settings.mirror.follow_links,
        )
        return with_damaged(found, damaged)
