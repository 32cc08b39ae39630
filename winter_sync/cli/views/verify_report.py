"""The result of a verification as a person reads it: kind by kind, then in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.core import Damage, State, escape_unprintable, show_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from winter_sync.catalog import Damaged
    from winter_sync.maintenance import Result

_SHOWN = 20
"""Files of a kind that are named to a person; all are in the JSON."""
_UNLISTED = "the archive no longer lists it, so it cannot be downloaded again"


def show(console: Console, result: Result) -> None:
    """Print what was found, kind by kind, and a summary in the last line."""
    for line in _lines(result):
        console.print(Text(escape_unprintable(line)))
    console.print(Text(escape_unprintable(summary(result))))


def _lines(result: Result) -> Iterator[str]:
    missing, changed = (result.damages.of(kind) for kind in (Damage.MISSING, Damage.CHANGED))
    kept = [(path, f"the file that was there is now {to}") for path, to in result.kept]
    strays = result.strays
    yield from _few("missing here", [(product.path, _reason(product)) for product in missing])
    yield from _few("changed", [(product.path, _reason(product)) for product in changed])
    unlisted = result.repair.unlisted
    yield from _few("missing here", [(product.path, _UNLISTED) for product in unlisted])
    yield from _few("unreadable", list(result.verified.unreadable.items()))
    yield from _few("note", list(result.verified.notes.items()))
    yield from _few("kept", kept)
    yield from _few("foreign", [(path, "") for path in strays.foreign or ()])
    yield from _few("orphaned", [(path, "") for path in strays.orphaned or ()])
    yield from _few("not looked into", [(path, "") for path in strays.closed])


def _few(kind: str, files: Sequence[tuple[str, str]]) -> Iterator[str]:
    for path, reason in files[:_SHOWN]:
        yield f"{kind}: {path}" + (f" ({reason})" if reason else "")
    if (more := len(files) - _SHOWN) > 0:
        yield f"{kind}: and {more} more; --json names them"


def _reason(product: Damaged) -> str:
    """Return what is wrong with a file, and what prevents its download, if anything does."""
    match product.state:
        case State.MISSING:
            next_try = f"; next try {_minute(product.not_before)}"
            return f"{product.reason}; the archive has no file now{next_try}"
        case State.WANTED if product.last_error:
            return f"{product.reason}; {product.last_error}"
        case State.WANTED:
            return f"{product.reason}; not yet downloaded again"
        case _ if product.withdrawn:
            return f"{product.reason}; the archive no longer lists it"
        case _:
            return product.reason


def _minute(written: str) -> str:
    """Show a time of the catalog to the minute."""
    return f"{written[:16].replace('T', ' ')} UTC"


def summary(result: Result) -> str:
    """Return in one line what was checked and what is wrong."""
    verified, quick = result.verified, result.request.quick
    files = f"{verified.checked} file" if verified.checked == 1 else f"{verified.checked} files"
    how = "looked at" if quick else f"checked, {show_size(verified.size)}"
    checked = f"{files} {how}{_before(result)}"
    parts = _parts(result) or [_all_right(result)]
    return f"{'; '.join([checked, *parts])}.{_remedy(result)}"


def _before(result: Result) -> str:
    checked = result.checked
    if not checked.begun:
        return ""
    run = f"the run of {_minute(checked.begun)} that this one continued"
    return f" ({checked.checked_before} more by {run})"


def _parts(result: Result) -> list[str]:
    counts, strays = result.damages.counts, result.strays
    numbers = [
        (counts.get(Damage.MISSING, 0) + len(result.repair.unlisted), "missing here"),
        (counts.get(Damage.CHANGED, 0), "changed"),
        (len(result.verified.unreadable), "unreadable"),
        (result.repaired, "downloaded again"),
        (len(result.kept), "kept aside"),
        (strays.foreign_files, "foreign"),
        (strays.orphaned_files, "orphaned"),
    ]
    parts = [f"{number} {word}" for number, word in numbers if number]
    if parts and not (result.wrong or result.verified.unreadable or result.repaired):
        return [_all_right(result), *parts]
    return parts


def _all_right(result: Result) -> str:
    if result.request.quick:
        return "all are there, with the size and time they were downloaded with"
    return "all are as they were downloaded"


def _remedy(result: Result) -> str:
    if result.wrong and not result.request.repair:
        return " `winter-sync verify --repair` downloads them again."
    return ""
