"""`alerts`: its answer on the screen, in files, and as cutouts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.api import ALERT_COLUMNS, save_cutouts
from winter_sync.cli.answers import show_rows
from winter_sync.cli.process import console, say
from winter_sync.cli.views.alerts import draw_alerts, draw_light_curve
from winter_sync.core import ExitCode, UsageError, escape_unprintable

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.api import Alerts, Mirror


@dataclass(frozen=True, slots=True)
class AlertOutput:
    """How the answer is wanted; `objectid` is the object that was asked for."""

    objectid: str | None = None
    form: str | None = None
    output: Path | None = None
    cutouts: Path | None = None
    paths: bool = False
    png: bool = False


def answer(mirror: Mirror, found: Alerts, wanted: AlertOutput) -> ExitCode:
    """Show alerts; return INCOMPLETE if cutouts of some could not be saved.

    Raises
    ------
    UsageError
        If options contradict each other.
    """
    if wanted.png and wanted.cutouts is None:
        raise UsageError("--png needs a directory", remedy="Add --cutouts DIR.")
    if wanted.cutouts is not None:
        return _save(found, wanted.cutouts, png=wanted.png) if found else _nothing(mirror)
    if wanted.paths:
        for path in found.paths:
            say(str(path))
    else:
        show_rows(
            ALERT_COLUMNS,
            found.rows(),
            lambda: _draw(found, wanted.objectid),
            form=wanted.form,
            output=wanted.output,
        )
    return ExitCode.DONE if found else _nothing(mirror)


def _draw(found: Alerts, objectid: str | None) -> None:
    if not found:
        return
    if objectid is None:
        draw_alerts(console(), found)
    else:
        draw_light_curve(console(), found)


def _nothing(mirror: Mirror) -> ExitCode:
    """Say that nothing matches, and what was not asked because it is not known yet."""
    say("No alerts match.", sys.stderr)
    files, unread = mirror.alert_files()
    if not files:
        say('This mirror has no alert files: add "avro" to image_types.', sys.stderr)
    elif unread:
        what = f"{unread} of {files} alert files were not read yet"
        say(f"{what}: run `winter-sync facts`.", sys.stderr)
    return ExitCode.DONE


def _save(found: Alerts, directory: Path, *, png: bool) -> ExitCode:
    saved = failed = 0
    for alert in found:
        try:
            saved += len(save_cutouts(alert, directory, png=png))
        except UsageError as lost:
            failed += 1
            say(f"winter-sync: {escape_unprintable(lost.message)}", sys.stderr)
            say(f"  {escape_unprintable(lost.remedy)}", sys.stderr)
    say(f"{saved} files of {len(found) - failed} alerts saved in {directory}")
    return ExitCode.INCOMPLETE if failed else ExitCode.DONE
