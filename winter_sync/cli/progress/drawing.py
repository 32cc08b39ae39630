"""A run drawn: the whole in a line, then the nights under way and the latest failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import Task, TaskID
from rich.text import Text

from winter_sync.cli.progress.columns import crop, render_line
from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.cli.progress.tally import Tally

_NIGHTS_SHOWN = 6
"""Nights and types under way."""
_REASONS_SHOWN = 3


def drawn(tally: Tally, now: float, width: int, *, plain: bool = False) -> Iterator[Text]:
    """Draw a tally in lines of at most this many columns; `plain` keeps to ASCII."""
    yield render_line(_task(tally, now), width, ascii_only=plain)
    for text, style in _details(tally):
        yield crop(Text(escape_unprintable(text), style), width)


def _task(tally: Tally, now: float) -> Task:
    """Return the whole run as a task of `rich`."""
    overall, time_left = tally.overall, tally.time_left(now)
    fields = {
        "bytes": tally.received,
        "rate": None if _reads_facts(tally) else tally.rate(now),
        "seconds_left": time_left if overall.left else None,
        "at_least": tally.polling,
    }
    doing = _doing(tally)
    return Task(TaskID(0), doing, overall.total, overall.done, lambda: now, fields=fields)


def _doing(tally: Tally) -> str:
    if tally.server_trouble:
        return "waiting for the server"
    if _reads_facts(tally):
        return "downloaded"
    return "downloading" if tally.overall.total else "asking the archive"


def _reads_facts(tally: Tally) -> bool:
    """Return whether all is downloaded, and only headers remain to be read."""
    return bool(tally.facts_left) and not tally.polling and not tally.overall.left


def _details(tally: Tally) -> Iterator[tuple[str, str]]:
    """Return the lines below the first, each with its style."""
    if tally.server_trouble:
        yield f"  {tally.server_trouble}", "yellow"
    if tally.facts_left:
        whole = tally.facts_read + tally.facts_left
        yield f"  reading headers of images: {tally.facts_read}/{whole}", ""
    if complete := tally.nights_done:
        nights = "night" if complete == 1 else "nights"
        yield f"  {complete} {nights} done, {tally.nights_left} pending", ""
    for night, (instrument, image_type), counts in tally.under_way(_NIGHTS_SHOWN):
        failed = f"  {counts.failed} failed" if counts.failed else ""
        done = f"{counts.done:>5}/{counts.total}"
        yield f"  {night} {instrument} {image_type:<8} {done}{failed}", ""
    for reason, times in tally.failures[:_REASONS_SHOWN]:
        often = "once" if times == 1 else f"{times} times"
        yield f"  failed {often}: {reason}", "red"
