"""The lines of the event log about files and storage."""

from __future__ import annotations

from winter_sync.core import (
    CheckPaused,
    DirectoriesNotSynced,
    EventTable,
    FactsPaused,
    FactsRead,
    FactsUpToDate,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    GroupNotGiven,
    RevisionsNotRemoved,
    RevisionsRemoved,
    StorageFailing,
    WithdrawnFilesChanged,
)
from winter_sync.monitoring.log_line import Line, coded, debug, error, info, warning

_NAMED = 5
"""How many files are named in one line; the rest are counted."""

FILE_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of files and storage."""


def _files_lost(event: FilesLost) -> tuple[Line, ...]:
    wanted, paths = event.files - event.unlisted, list(event.paths)
    lines: tuple[Line, ...] = ()
    if wanted:
        lines += warning("deleted files will be downloaded again", files=wanted, paths=paths)
    if event.unlisted:
        lines += warning(
            "deleted files cannot be downloaded again: the archive no longer lists them",
            files=event.unlisted,
            paths=paths,
        )
    return lines


def _facts_paused(event: FactsPaused) -> tuple[Line, ...]:
    wait = {} if event.wait is None else {"wait_seconds": event.wait}
    return warning("facts of images paused", reason=event.reason, remedy=event.remedy, **wait)


FILE_LINES.add(FilesLost, _files_lost)
FILE_LINES.add(
    FilesChanged,
    lambda event: warning(
        "files were changed after they were downloaded; they are left as they are",
        files=event.files,
        paths=list(event.paths),
        reason=event.reason,
        remedy="winter-sync verify --repair",
    ),
)
FILE_LINES.add(
    FilesUnreadable,
    lambda event: error(
        "files cannot be read", files=event.files, paths=list(event.paths), reason=event.reason
    ),
)
FILE_LINES.add(
    CheckPaused,
    lambda event: error(
        "file check paused", reason=event.reason, remedy=event.remedy, wait_seconds=event.wait
    ),
)
FILE_LINES.add(
    FactsRead,
    lambda event: debug(
        "facts read", files=event.files, odd=list(event.odd[:_NAMED]), left=event.left
    ),
)
FILE_LINES.add(
    FactsUpToDate,
    lambda event: info(
        "facts of images up to date",
        files=event.files,
        left=event.left,
        seconds=round(event.seconds, 1),
    ),
)
FILE_LINES.add(FactsPaused, _facts_paused)
FILE_LINES.add(
    RevisionsRemoved,
    lambda event: info("older revisions removed", files=event.files, size=event.size),
)
FILE_LINES.add(
    RevisionsNotRemoved,
    lambda event: warning("older revisions not removed", reason=event.reason, remedy=event.remedy),
)
FILE_LINES.add(
    StorageFailing,
    lambda event: error(
        "paused: storage failing",
        reason=event.reason,
        remedy=event.remedy,
        wait_seconds=event.wait,
        **coded(event.code),
    ),
)
FILE_LINES.add(
    DirectoriesNotSynced,
    lambda event: warning(
        "directories cannot be synced",
        root=event.root,
        outcome="after a power failure the files downloaded last may be missing",
    ),
)
FILE_LINES.add(
    GroupNotGiven,
    lambda event: warning(
        "files do not get the group of their directory",
        directory=event.directory,
        group=event.group,
        remedy="Add the user who runs winter-sync to that group.",
    ),
)


def _withdrawn_files_changed(event: WithdrawnFilesChanged) -> tuple[Line, ...]:
    counts = {
        name: count for name in ("moved", "deleted", "restored") if (count := getattr(event, name))
    }
    lines = info("files of withdrawn products changed", **counts) if counts else ()
    if not event.failed:
        return lines
    failed = error(
        "files of withdrawn products left in place", files=event.failed, reason=event.reason
    )
    return (*lines, *failed)


FILE_LINES.add(WithdrawnFilesChanged, _withdrawn_files_changed)
