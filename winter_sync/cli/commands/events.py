"""`winter-sync events`: what happened in the mirror, and what happens."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.options import AsJson, Nights, Programs, RootDirectory, choice_of
from winter_sync.core import EventFilter, EventKind

Since = Annotated[
    int | None,
    typer.Option("--since", metavar="N", min=0, help="Only events after number N."),
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Go on with what happens, until interrupted.")
]
Kinds = Annotated[
    list[EventKind] | None,
    typer.Option(
        "--kind",
        parser=choice_of(tuple(EventKind)),
        metavar="KIND",
        help="Only this kind (repeatable), e.g. downloaded, night_settled, server_down.",
    ),
]


def events(  # noqa: PLR0913 - one option each
    context: typer.Context,
    *,
    since: Since = None,
    follow: Follow = False,
    kinds: Kinds = None,
    programs: Programs = None,
    nights: Nights = None,
    as_json: AsJson = False,
    root: RootDirectory = None,
) -> None:
    """Show what happened in the mirror.

    That is a table, or in a pipe a line of JSON for each event.

    Without --since a terminal shows the newest 100 events, a pipe all; --follow begins with the
    next.
    """
    from winter_sync.cli.answers import mirror_opener
    from winter_sync.cli.events import Request, show_events

    wanted = EventFilter(
        kinds=tuple(kinds or ()),
        programs=tuple(programs or ()),
        nights=tuple(night.name for night in nights or ()),
    )
    request = Request(since=since, follow=follow, wanted=wanted, as_json=as_json)
    show_events(mirror_opener(context.obj, root), request)
