"""The history of a product as a person reads it, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.views.sentences import INDENT, print_sentence
from winter_sync.cli.views.table import Table
from winter_sync.core import Damage, escape_unprintable, has_name, show_size

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from winter_sync.catalog import ProductHistory, Revision
    from winter_sync.core import OutboxEvent

_HEADINGS = ("rev", "downloaded (UTC)", "confirmed", "pipeline", "size", "sha256", "file")
_DIGEST_SHOWN = 8
_PIPELINE_SHOWN = 12


def show_history(console: Console, history: ProductHistory, root: Path) -> None:
    """Print the revisions of a product, the newest first, and what else happened to it."""
    console.print(Text(escape_unprintable(history.path), "bold"), soft_wrap=True)
    if not history.revisions:
        print_sentence(console, "It was not downloaded yet.")
    else:
        rows = [_cells(one, place_of(history, one, root)) for one in history.revisions]
        console.print(Table([list(_HEADINGS), *rows]), crop=False)
    for one in history.revisions:
        if one.kept:
            where = f"{INDENT}revision {one.revision}: {escape_unprintable(one.kept)}"
            console.print(Text(where), soft_wrap=True)
    for event in history.events:
        happened = escape_unprintable(_happened(event))
        console.print(Text(f"{_minute(event.at)} {happened}"), soft_wrap=True)
    if history.withdrawn_at is not None:
        print_sentence(console, f"Not listed any more since {_minute(history.withdrawn_at)}.")
    if history.successor is not None:
        console.print(Text(f"Renamed to {escape_unprintable(history.successor)}"), soft_wrap=True)


def place_of(history: ProductHistory, one: Revision, root: Path) -> str:
    """Return in a word where the file of a revision is."""
    if one.replaced_at is None:
        return _place_of_current(history, root)
    if one.kept is not None:
        return "kept" if has_name(root / one.kept) else "missing"
    return "removed" if one.removed_at is not None else "not kept"


def _place_of_current(history: ProductHistory, root: Path) -> str:
    if history.is_set_aside:
        moved = history.set_aside
        return "kept" if moved is not None and has_name(root / moved) else "removed"
    if history.damage is Damage.MISSING or not has_name(root / history.path):
        return "missing"
    return "changed" if history.damage is Damage.CHANGED else "here"


def history_as_json(history: ProductHistory, root: Path) -> str:
    """Return a history as JSON for a machine. These keys stay; more may come.

    `instrument`, `savepath`, `image_type`, `night`, `path` (relative to the root), `state`
    (`wanted`, `published` or `missing`), `withdrawn_at` (or null) and `successor` (the path of what
    it was renamed to, or null) of the product. `revisions`, the newest first: `revision` (from 1),
    `published_at`, `replaced_at` (null for the current one), `confirmed_at` (when the archive last
    sent these very bytes), `removed_at`, `lastmodified` and `pipeversion` (the marks under which it
    came), `size` (bytes), `sha256`, `kept` (path relative to the root) and `file` (`here`, `kept`,
    `removed`, `not kept`, `changed` by somebody, or `missing`). `events`: those of the outbox about
    it other than downloads. Times are ISO 8601, UTC; null is unknown.
    """
    product = history.product
    record = {
        "instrument": product.instrument.value,
        "savepath": product.savepath,
        "image_type": product.image_type.value,
        "night": product.night.name,
        "path": history.path,
        "state": history.state.value,
        "withdrawn_at": history.withdrawn_at,
        "successor": history.successor,
        "revisions": [
            {**asdict(one), "file": place_of(history, one, root)} for one in history.revisions
        ],
        "events": [json.loads(event.json) for event in history.events],
    }
    return json.dumps(record, indent=2)


def _happened(event: OutboxEvent) -> str:
    """Return what happened, with what it became: the successor, the target, where a file went."""
    fields = event.fields
    became = [
        f": {name} {fields[was]} to {fields.get(name) or 'none'}"
        for name, was in (("target", "target_was"), ("program", "program_was"))
        if fields.get(was) and fields.get(was) != fields.get(name)
    ]
    became += [f" to {fields[name]}" for name in ("successor_path", "kept") if fields.get(name)]
    return f"{event.kind}{''.join(became)}"


def _cells(one: Revision, place: str) -> list[str]:
    pipeline = (one.pipeversion or "-").splitlines()[-1]
    return [
        str(one.revision),
        _minute(one.published_at),
        _minute(one.confirmed_at) if one.confirmed_at else "-",
        escape_unprintable(pipeline)[:_PIPELINE_SHOWN],
        show_size(one.size),
        one.sha256[:_DIGEST_SHOWN],
        place,
    ]


def _minute(at: str) -> str:
    return f"{at[:10]} {at[11:16]}"
