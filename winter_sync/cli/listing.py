"""The work of `list`: the answer of the mirror or of the archive, downloaded first if asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.api import PRODUCT_COLUMNS, Products, product_row
from winter_sync.cli.answers import open_mirror, show_rows
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted, say
from winter_sync.cli.views.product_table import ProductTable
from winter_sync.core import ErrorCode, ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from winter_sync.api import Mirror, Question
    from winter_sync.cli.options import CommonOptions

    Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and what is wanted of the answer."""

    question: Question
    form: str | None
    output: Path | None
    paths: bool
    download: bool
    remote: bool


class Listing:
    """One run of `list`.

    Parameters
    ----------
    options
        The options before the command.
    root
        The root of the mirror; None for that of the settings.
    request
        What is asked.
    """

    def __init__(self, options: CommonOptions, root: Path | None, request: Request) -> None:
        self._options = options
        self._root = root
        self._request = request
        self._shown = 0

    def run(self) -> None:
        """Show the answer.

        Raises
        ------
        WinterSyncError
            If the question makes no sense or cannot be answered.
        """
        self._refuse_contradictions()
        if self._request.remote:
            self._show(self._remote_rows())
            return
        with open_mirror(self._options, self._root) as mirror:
            if self._request.download:
                self._download_and_show(mirror)
            else:
                self._show(map(product_row, mirror.stream(self._request.question)))

    def _refuse_contradictions(self) -> None:
        request = self._request
        if request.remote and (request.download or request.paths):
            option = "--download" if request.download else "--paths"
            raise UsageError(
                f"--remote asks the archive and downloads nothing, so {option} has no meaning",
                remedy="Run `winter-sync sync` or `winter-sync backfill` to mirror it first.",
                code=ErrorCode.USE_OPTION,
            )
        if request.remote and request.question.new_since is not None:
            raise UsageError(
                "--new-since is about downloads; the archive does not say when it listed what",
                remedy="Leave out --remote, or narrow the nights: --from -7d",
                code=ErrorCode.USE_OPTION,
            )
        if request.download and self._root is not None:
            raise UsageError(
                "--download needs the credentials and the root of the settings",
                remedy="Leave out --root, and name the settings file: --config FILE",
                code=ErrorCode.USE_OPTION,
            )

    # --- showing -------------------------------------------------------------------------------

    def _show(self, rows: Iterable[Row]) -> None:
        rows = self._counted(rows)
        if self._request.paths:
            self._show_paths(rows)
        else:
            form, output = self._request.form, self._request.output
            show_rows(
                PRODUCT_COLUMNS,
                rows,
                lambda: _draw(rows),
                form=form,
                output=output,
                what="product",
            )
            if not self._shown:
                say("winter-sync: no product matches", sys.stderr)

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._shown += 1
            yield row

    def _show_paths(self, rows: Iterable[Row]) -> None:
        here = 0
        for row in rows:
            if row["path"] is not None:
                here += 1
                say(str(row["path"]))
        if not self._shown:
            say("winter-sync: no product matches", sys.stderr)
        elif lacking := self._shown - here:
            say(f"winter-sync: {lacking} of {self._shown} products have no file here", sys.stderr)

    # --- downloading ---------------------------------------------------------------------------

    def _download_and_show(self, mirror: Mirror) -> None:
        from winter_sync.cli.fetch_listed import fetch_listed

        shown = Products(mirror.stream(self._request.question))
        settings, logger = prepare(self._options, drawing=True)
        code = run_until_interrupted(fetch_listed(settings, logger, shown))
        self._show(map(product_row, mirror.refresh(shown)))
        if code is not ExitCode.DONE:
            finish(code)

    # --- the archive ---------------------------------------------------------------------------

    def _remote_rows(self) -> Iterable[Row]:
        from winter_sync.cli.remote_listing import RemoteListing

        settings, _ = prepare(self._options, mirror=False)
        remote = RemoteListing(self._options, settings, self._root, self._request.question)
        return run_until_interrupted(remote.rows())


def _draw(rows: Iterable[Row]) -> None:
    screen = console()
    table = ProductTable(screen.width)
    for line in table.lines(rows):
        say(line)
    if table.states:
        say(table.summary)
