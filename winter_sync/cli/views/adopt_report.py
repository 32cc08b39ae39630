"""What came of the files that were to be adopted, for a person and for a script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

from winter_sync.core import escape_unprintable, show_size
from winter_sync.maintenance import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from winter_sync.maintenance import AdoptedFile, AdoptResult

_SHOWN = 20
"""Files of a kind that are named to a person; more are in the JSON."""
_NAMED = (
    *(Fate.DIFFERENT, Fate.BUSY, Fate.UNKNOWN, Fate.AMBIGUOUS, Fate.DAMAGED),
    *(Fate.DOUBTFUL, Fate.UNREADABLE),
)
_WORDS = {
    Fate.HERE: "already here",
    Fate.DIFFERENT: "here with other content, which stays",
    Fate.BUSY: "being downloaded by another process",
    Fate.UNKNOWN: "not listed",
    Fate.AMBIGUOUS: "ambiguous",
    Fate.DAMAGED: "damaged",
    Fate.DOUBTFUL: "doubtful",
    Fate.UNREADABLE: "unreadable",
}


def show(console: Console, result: AdoptResult) -> None:
    """Print what is odd or was not adopted, kind by kind, and a summary in the last line."""
    for line in _odd(result):
        console.print(Text(escape_unprintable(line)))
    for fate in _NAMED:
        for line in _few(fate, result):
            console.print(Text(escape_unprintable(line)))
    console.print(Text(summary(result)))


def _odd(result: AdoptResult) -> Iterator[str]:
    """Yield what is odd about files that were adopted all the same."""
    odd = [file for file in result.files[Fate.ADOPTED] if file.reason]
    verb = "would be adopted" if result.request.dry_run else "adopted"
    for file in odd[:_SHOWN]:
        yield f"{verb}, though odd: {file.name} ({file.reason})"
    if (more := len(odd) - _SHOWN) > 0:
        yield f"{verb}, though odd: and {more} more; --json names them"


def _few(fate: Fate, result: AdoptResult) -> Iterator[str]:
    for file in result.files[fate][:_SHOWN]:
        yield f"{fate}: {file.name}" + (f" ({file.reason})" if file.reason else "")
    if (more := result.counts[fate] - _SHOWN) > 0:
        yield f"{fate}: and {more} more; --json names them"


def summary(result: AdoptResult) -> str:
    """Return in one line what came of all files."""
    counts = result.counts
    if not sum(counts.values()):
        return "There are no files to adopt."
    verb = "would be adopted" if result.request.dry_run else "adopted"
    adopted = f"{counts[Fate.ADOPTED]} {verb}, {show_size(result.size)}"
    others = [f"{counts[fate]} {words}" for fate, words in _WORDS.items() if counts[fate]]
    return f"{'; '.join([adopted, *others])}."


def result_as_json(result: AdoptResult) -> str:
    """Write a result as JSON. These keys stay; more may be added.

    - `directory` (null for the root itself), `move`, `offline`, `dry_run`: how it was called.
    - `counts`: how many files are `adopted`, `here`, `different`, `busy`, `unknown`, `ambiguous`,
      `damaged`, `doubtful` and `unreadable`; `bytes`: how many were adopted.
    - `adopted`, ... `unreadable`: lists of `name` (the file), `path` (its place relative to the
      root, or null) and `reason` (or null); each has at most 10 000 entries.
    - `errors`: why not everything was listed, if so.
    - `exit_code`: the command's.
    """
    request = result.request
    record: dict[str, Any] = {
        "directory": None if request.directory is None else str(request.directory),
        "move": request.move,
        "offline": request.offline,
        "dry_run": request.dry_run,
        "bytes": result.size,
        "counts": {fate.value: count for fate, count in result.counts.items()},
        **{fate.value: [_file(file) for file in files] for fate, files in result.files.items()},
        "errors": [error.message for error in result.errors],
        "exit_code": int(result.exit_code),
    }
    return json.dumps(record, indent=2)


def _file(file: AdoptedFile) -> dict[str, str | None]:
    return {"name": file.name, "path": file.path, "reason": file.reason}
