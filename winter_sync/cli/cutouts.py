"""The work of `cutout`: FITS files and a picture of the images that cover a place."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.api import MOST_PANELS, panel_of, refuse_tree, save_strip
from winter_sync.cli.coverage import say_answer
from winter_sync.cli.process import say
from winter_sync.core import (
    ErrorCode,
    ExitCode,
    StorageError,
    UsageError,
    escape_unprintable,
    has_name,
)

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.api import Cutout, Cutouts
    from winter_sync.science import Panel

_SAID = 10
"""Images without a cutout that are named."""


@dataclass(frozen=True, slots=True)
class CutoutOutput:
    """What is wanted of cutouts: a directory of FITS files, a picture, or both."""

    directory: Path | None
    picture: Path | None
    north_up: bool
    overwrite: bool


def save_cutouts(cutouts: Cutouts, wanted: CutoutOutput) -> ExitCode:
    """Save all cutouts; return INCOMPLETE if some images could not be cut out.

    Raises
    ------
    UsageError
        If files cannot be there, such as inside the mirror.
    StorageError
        If they cannot be written.
    """
    for path in (wanted.directory, wanted.picture):
        if path is not None:
            refuse_tree(cutouts.root, path)
    if not cutouts:
        say_answer(cutouts.coverage, sys.stderr)
        return ExitCode.DONE
    _refuse_existing(wanted)
    saving = _Saving(cutouts, wanted)
    saving.run()
    saving.say_result()
    return ExitCode.INCOMPLETE if cutouts.skipped else ExitCode.DONE


class _Saving:
    """One run: the files written and kept, and the parts of the picture."""

    def __init__(self, cutouts: Cutouts, wanted: CutoutOutput) -> None:
        self._cutouts = cutouts
        self._wanted = wanted
        self._panels: list[Panel] = []
        self._written = self._kept = 0

    def run(self) -> None:
        directory = self._wanted.directory
        if directory is not None:
            _make(directory)
        for cutout in self._cutouts:
            if directory is not None:
                self._write(cutout, directory / cutout.filename)
            if self._wanted.picture is not None:
                upright = self._wanted.north_up
                self._panels.append(panel_of(self._cutouts, cutout, upright=upright))
                del self._panels[:-MOST_PANELS]
        if self._wanted.picture is not None and self._panels:
            save_strip(self._panels, self._wanted.picture, overwrite=self._wanted.overwrite)

    def _write(self, cutout: Cutout, path: Path) -> None:
        try:
            cutout.write(path, overwrite=self._wanted.overwrite)
        except FileExistsError:
            self._kept += 1
        else:
            self._written += 1
        say(str(path))

    def say_result(self) -> None:
        """Say on standard error what was written, and of which images there is no cutout."""
        say(escape_unprintable(self._cutouts.coverage.summary), sys.stderr)
        if self._wanted.directory is not None:
            kept = f"; {self._kept} were there already and are kept" if self._kept else ""
            say(f"{self._written} cutouts written to {self._wanted.directory}{kept}", sys.stderr)
        if self._wanted.picture is not None and self._panels:
            shown, total = len(self._panels), len(self._cutouts) - len(self._cutouts.skipped)
            newest = f", the newest of {total}" if shown < total else ""
            say(f"{shown} cutouts drawn in {self._wanted.picture}{newest}", sys.stderr)
        for skipped in self._cutouts.skipped[:_SAID]:
            reason = escape_unprintable(f"{skipped.image.path}: {skipped.reason}")
            say(f"no cutout of {reason}", sys.stderr)
        if (more := len(self._cutouts.skipped) - _SAID) > 0:
            say(f"and of {more} more", sys.stderr)
        if self._cutouts.skipped:
            say("Run `winter-sync verify --repair` to download them again.", sys.stderr)


def _refuse_existing(wanted: CutoutOutput) -> None:
    """Make sure that the picture may be written, before the work is done."""
    picture = wanted.picture
    if picture is not None and not wanted.overwrite and has_name(picture):
        raise UsageError(
            f"{picture} exists already",
            remedy="Add --overwrite to replace it.",
            code=ErrorCode.USE_OUTPUT,
        )


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise StorageError(
            f"the directory {directory} cannot be made: {failed.strerror}",
            remedy="Name another: --output DIR",
            code=ErrorCode.DISK_ERROR,
        ) from None
