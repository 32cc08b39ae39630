"""`alerts`: its answer on the screen, in files, and as cutouts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.api import ALERT_COLUMNS, alert_row, save_cutouts
from winter_sync.cli.answers import show_rows
from winter_sync.cli.process import console, say
from winter_sync.cli.views.alerts import draw_alerts, draw_light_curve
from winter_sync.core import ErrorCode, ExitCode, UsageError, escape_unprintable, was_removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from winter_sync.api import AlertQuestion, Mirror, MirrorAlert


@dataclass(frozen=True, slots=True)
class AlertOutput:
    """How the answer is wanted."""

    form: str | None = None
    output: Path | None = None
    cutouts: Path | None = None
    paths: bool = False
    png: bool = False


def answer(mirror: Mirror, question: AlertQuestion, wanted: AlertOutput) -> ExitCode:
    """Show alerts; return INCOMPLETE if cutouts of some could not be saved.

    Raises
    ------
    UsageError
        If options contradict each other, or the question makes no sense.
    """
    if wanted.png and wanted.cutouts is None:
        raise UsageError(
            "--png needs a directory", remedy="Add --cutouts DIR.", code=ErrorCode.USE_OPTION
        )
    found = _Counted(mirror.stream_alerts(question))
    code = ExitCode.DONE
    if wanted.cutouts is not None:
        code = _save(found, wanted.cutouts, png=wanted.png)
    elif wanted.paths:
        _show_paths(dict.fromkeys(alert.path for alert in found))
    else:
        show_rows(
            ALERT_COLUMNS,
            map(alert_row, found),
            lambda: _draw(list(found), question.objectid),
            form=wanted.form,
            output=wanted.output,
            what="alert",
        )
    _say_what_lacks(mirror, found.count)
    return code


def _show_paths(paths: Iterable[Path]) -> None:
    """Print the files that are here, and say how many were removed."""
    removed = 0
    for path in paths:
        if was_removed(path):
            removed += 1
        else:
            say(str(path))
    if removed:
        files = "1 file is" if removed == 1 else f"{removed} files are"
        say(
            f"winter-sync: {files} not here any more: run `winter-sync verify --repair`", sys.stderr
        )


class _Counted:
    """Counts the alerts that go by; few are in memory at a time."""

    def __init__(self, alerts: Iterable[MirrorAlert]) -> None:
        self._alerts = alerts
        self.count = 0

    def __iter__(self) -> Iterator[MirrorAlert]:
        """Yield the alerts."""
        for alert in self._alerts:
            self.count += 1
            yield alert


def _draw(found: Sequence[MirrorAlert], objectid: str | None) -> None:
    if not found:
        return
    if objectid is None:
        draw_alerts(console(), found)
    else:
        draw_light_curve(console(), found)


def _say_what_lacks(mirror: Mirror, count: int) -> None:
    """Say if nothing matches, and what was not asked because it is not known yet."""
    if not count:
        say("No alerts match.", sys.stderr)
    files = mirror.alert_files()
    if files.unread:
        what = f"{files.unread} of {files.here} alert files were not read yet"
        say(f"{what}; `winter-sync sync` or the daemon does.", sys.stderr)
    if files.pending:
        what = "alert file is" if files.pending == 1 else "alert files are"
        say(f"{files.pending} {what} not downloaded yet.", sys.stderr)
    if not (count or files.here or files.pending):
        say('This mirror has no alert files: add "avro" to image_types.', sys.stderr)


def _save(found: _Counted, directory: Path, *, png: bool) -> ExitCode:
    saved = failed = 0
    for alert in found:
        try:
            saved += len(save_cutouts(alert, directory, png=png))
        except UsageError as lost:
            failed += 1
            say(f"winter-sync: {escape_unprintable(lost.message)}", sys.stderr)
            say(f"  {escape_unprintable(lost.remedy)}", sys.stderr)
    if found.count:
        say(f"{saved} files of {found.count - failed} alerts saved in {directory}")
    return ExitCode.INCOMPLETE if failed else ExitCode.DONE
