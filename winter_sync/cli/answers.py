"""Answers of the mirror: drawn on a terminal, or written as a table for other programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winter_sync.api import Mirror
from winter_sync.cli.process import prepare
from winter_sync.core import UsageError
from winter_sync.science import TableFormat, format_of, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from winter_sync.cli.options import CommonOptions
    from winter_sync.science import Column


def open_mirror(options: CommonOptions) -> Mirror:
    """Open the mirror of the settings for asking.

    Raises
    ------
    UsageError
        If the settings are wrong, or there is no mirror.
    StorageError
        If the mirror cannot be read.
    """
    settings, _ = prepare(options, secrets=False)
    return Mirror.open(settings.root, state=settings.state)


def show_rows(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    draw: Callable[[], None],
    *,
    form: str | None = None,
    output: Path | None = None,
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

    Raises
    ------
    UsageError
        If the name of the file means no format, or a binary table would go to a terminal.
    """
    if output is not None:
        write_rows(columns, rows, output, TableFormat(form) if form else format_of(output))
        return
    is_terminal = sys.stdout.isatty()
    chosen = TableFormat(form or ("table" if is_terminal else "csv"))
    if chosen is TableFormat.TABLE:
        draw()
    elif chosen is TableFormat.FITS and is_terminal:
        raise UsageError(
            "a FITS table is not text for a terminal", remedy="Add --output FILE.fits."
        )
    else:
        write_rows(columns, rows, sys.stdout.buffer, chosen)
