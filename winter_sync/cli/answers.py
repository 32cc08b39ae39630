"""Answers of the mirror: drawn on a terminal, or written as a table for other programs."""

from __future__ import annotations

import sys
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from winter_sync.api import Mirror
from winter_sync.cli.process import console, prepare, say, streams
from winter_sync.cli.views.wide_table import WideTable
from winter_sync.core import ErrorCode, ExitCode, UsageError
from winter_sync.science import TableFormat, choose_format, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from winter_sync.cli.options import CommonOptions
    from winter_sync.science import Column


def open_mirror(options: CommonOptions, root: Path | None = None) -> Mirror:
    """Open a mirror for asking: at a root, otherwise at that of the settings.

    No credentials are needed, and with a root no settings either.

    Raises
    ------
    UsageError
        If the settings are wrong, no root is known, or there is no mirror.
    StorageError
        If the mirror cannot be read.
    """
    return mirror_opener(options, root)()


def mirror_opener(options: CommonOptions, root: Path | None = None) -> Callable[[], Mirror]:
    """Return what opens a mirror as `open_mirror` does, again and again.

    Raises
    ------
    UsageError
        If the settings are wrong, or no root is known.
    """
    if root is not None:
        return partial(Mirror.open, root)
    settings, _ = prepare(options, secrets=False)
    if settings.mirror.root is None:
        raise UsageError(
            "no directory of a mirror is set",
            remedy="Name it: `--root DIR`; or set WINTER_SYNC_MIRROR__ROOT, or root under [mirror] "
            "of a settings file, which `winter-sync init` writes.",
            code=ErrorCode.SETTINGS_MISSING,
        )
    return partial(
        Mirror.open,
        settings.root,
        state=settings.mirror.state,
        follow_links=settings.mirror.follow_links,
    )


def show_rows(  # noqa: PLR0913 - what is shown, and how
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    draw: Callable[[], None],
    *,
    form: str | None = None,
    output: Path | None = None,
    what: str = "row",
) -> None:
    """Show an answer: in a format, into a file, or as fits standard output.

    Parameters
    ----------
    columns, rows
        The answer as a table.
    draw
        Draws it for people on standard output.
    form
        The format; by the name of the file when None, without a file drawn on a terminal and
        otherwise csv.
    output
        The file.
    what
        What a row is, for how many were written.

    Raises
    ------
    UsageError
        If the name of the file means no format, or a binary table would go to a terminal.
    """
    if output is None and _chosen(form, None) is TableFormat.TABLE:
        draw()
    else:
        write_answer(columns, rows, form=form, output=output, what=what)


def show_columns(  # noqa: PLR0913 - what is shown, and how
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    telling: Sequence[str],
    *,
    form: str | None = None,
    output: Path | None = None,
    what: str = "row",
) -> int:
    """Show a table of many columns: on a terminal those that fit, elsewhere all.

    Parameters
    ----------
    columns, rows, form, output, what
        As for `show_rows`.
    telling
        Names of columns, the most telling first.

    Returns
    -------
    int
        How many rows there are.

    Raises
    ------
    UsageError, StorageError
        See `write_answer`.
    """
    is_drawn = output is None and sys.stdout.isatty() and _chosen(form, None) is TableFormat.TABLE
    if not is_drawn:
        return write_answer(columns, rows, form=form, output=output, what=what)
    table = WideTable(console().width, columns, telling)
    for line in table.lines(rows):
        say(line)
    return table.drawn


def write_answer(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    *,
    form: str | None = None,
    output: Path | None = None,
    what: str = "row",
) -> int:
    """Write an answer as a table, and return how many rows it has; few are in memory at a time.

    How many went into a file is said on standard error. Interrupted, it ends the process; a file
    of that name then is as it was.

    Raises
    ------
    UsageError
        If the name of the file means no format, or a binary table would go to a terminal.
    StorageError
        If the file cannot be written.
    """
    chosen = _chosen(form, output)
    try:
        if output is not None:
            count = write_rows(columns, rows, output, chosen)
            plural = "" if count == 1 else "s"
            say(f"winter-sync: {count} {what}{plural} written to {output}", sys.stderr)
            return count
        sys.stdout.flush()
        return write_rows(columns, _while_read(rows), sys.stdout.buffer, chosen)
    except KeyboardInterrupt:
        say("winter-sync: interrupted", sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


def _chosen(form: str | None, output: Path | None) -> TableFormat:
    if form is None and output is None:
        return TableFormat.TABLE if sys.stdout.isatty() else TableFormat.CSV
    chosen = choose_format(form, output)
    if chosen is TableFormat.FITS and output is None and sys.stdout.isatty():
        raise UsageError(
            "a FITS table is not text for a terminal",
            remedy="Add --output FILE.fits.",
            code=ErrorCode.USE_OUTPUT,
        )
    return chosen


def _while_read(rows: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """Yield rows until nobody reads standard output any more."""
    return takewhile(lambda _: not streams.is_lost, rows)
