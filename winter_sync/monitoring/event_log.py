"""The event log: a line for every event that somebody may want to know of.

The names of the lines are read by scripts: they change only with an entry in the changelog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from winter_sync.core import (
    FAILED_DOWNLOAD,
    INTERRUPTED,
    BatchEnded,
    BatchStarted,
    CheckPaused,
    ClockJumped,
    ClocksDiffer,
    DayEnded,
    DirectoriesNotSynced,
    DownloadsPaused,
    EventTable,
    Failed,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    FoundUnchanged,
    GroupNotGiven,
    Missing,
    PagesOpen,
    Polled,
    PollFailed,
    ProductFinished,
    ProductsLeftOut,
    ProgramRefused,
    Published,
    Recovered,
    Reloading,
    ReloadRefused,
    Resumed,
    Retrying,
    RowsLeftOut,
    ServerFailing,
    ServerRecovered,
    Stalled,
    Started,
    Stopped,
    Stopping,
    StorageFailing,
    Unchanged,
    WindowHalved,
    fan_out,
    show_duration,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from winter_sync.core import Batch, Event, Query, Sink

_NAMED = 5
"""How many of a multitude are named in one line; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: its level, its name, and its fields."""

    level: Literal["debug", "info", "warning", "error", "critical"]
    name: str
    fields: dict[str, object]


class EventLog:
    """Writes events to a log."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger

    def handle(self, event: Event) -> None:
        """Write the lines of an event; none of events that are too many or too small for a log."""
        for line in LINES.of(event) or ():
            getattr(self._logger, line.level)(line.name, **line.fields)


def log_events(logger: FilteringBoundLogger, *others: Sink) -> Sink:
    """Return the sink that writes events to a log, then hands them to others."""
    return fan_out(EventLog(logger).handle, *others)


LINES = EventTable[tuple[Line, ...]]()
"""The lines of each kind of event."""


def _debug(name: str, **fields: object) -> tuple[Line, ...]:
    return (Line("debug", name, fields),)


def _info(name: str, **fields: object) -> tuple[Line, ...]:
    return (Line("info", name, fields),)


def _warning(name: str, **fields: object) -> tuple[Line, ...]:
    return (Line("warning", name, fields),)


def _error(name: str, **fields: object) -> tuple[Line, ...]:
    return (Line("error", name, fields),)


def _about(query: Query) -> dict[str, object]:
    subject = query.subject
    return {
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
    }


# --- polls ---------------------------------------------------------------------------------------


def _polled(event: Polled) -> tuple[Line, ...]:
    counts = {
        name: count
        for name in ("new", "changed", "returned", "withdrawn")
        if (count := getattr(event, name))
    }
    level = _info if counts else _debug
    return level("polled", **_about(event.query), listed=event.listed, **counts)


LINES.add(Polled, _polled)
LINES.add(
    PollFailed,
    lambda event: _warning("poll failed", **_about(event.query), reason=event.reason),
)
LINES.add(
    WindowHalved,
    lambda event: _info(
        "window halved",
        **_about(event.query),
        start=str(event.query.start),
        end=str(event.query.end or "today"),
        reason=event.reason,
    ),
)
LINES.add(
    RowsLeftOut,
    lambda event: _warning(
        "rows left out",
        **_about(event.query),
        rows=event.rows,
        reasons=list(dict.fromkeys(event.reasons))[:_NAMED],
    ),
)
LINES.add(
    ProductsLeftOut,
    lambda event: _warning(
        "products left out: their path is taken",
        products=len(event.products),
        savepaths=[product.savepath for product in event.products[:_NAMED]],
    ),
)
LINES.add(
    ProgramRefused,
    lambda event: _error(
        "program refused", program=event.program, reason=event.reason, wait_seconds=event.wait
    ),
)


# --- downloads -----------------------------------------------------------------------------------


def _batch_ended(event: BatchEnded) -> tuple[Line, ...]:
    fields = {**_contents(event.batch), "seconds": round(event.seconds, 3)}
    if event.trouble is None:
        return _debug("download ended", **fields)
    if event.trouble == INTERRUPTED:
        return _info("download interrupted", **fields)
    return _warning("download failed", **fields, reason=event.trouble)


def _contents(batch: Batch) -> dict[str, object]:
    return {
        "batch": batch.identifier,
        "program": batch.program,
        "image_type": batch.image_type.value,
        "products": len(batch.candidates),
    }


def _finished(event: ProductFinished) -> tuple[Line, ...]:
    product = event.outcome.candidate.product
    fields: dict[str, object] = {
        "instrument": product.instrument.value,
        "savepath": product.savepath,
    }
    match event.outcome:
        case Published(_, evidence, None):
            return _debug("published", path=evidence.path, size=evidence.size, kept=evidence.kept)
        case Published(_, evidence, note):
            return _info("published, but odd", path=evidence.path, size=evidence.size, note=note)
        case Unchanged(_, evidence):
            return _debug("unchanged", path=evidence.path)
        case Missing():
            return _debug("missing on the server", **fields)
        case Failed() as failed:
            fields["reason"] = failed.reason
            return (Line(_failure_level(failed), "failed", fields),)


def _failure_level(failed: Failed) -> Literal["debug", "info", "warning"]:
    """Return how grave a failure is: what came damaged is often complete at the next attempt."""
    if not failed.blamed:
        return "debug"
    return "info" if FAILED_DOWNLOAD.is_immediate(failed.candidate.attempts + 1) else "warning"


LINES.add(BatchStarted, lambda event: _debug("download started", **_contents(event.batch)))
LINES.add(BatchEnded, _batch_ended)
LINES.add(ProductFinished, _finished)
LINES.add(
    FoundUnchanged,
    lambda event: tuple(
        line
        for share in event.shares
        for line in _info(
            "reprocessing marks without new content",
            night=share.night.name,
            instrument=share.instrument.value,
            image_type=share.image_type.value,
            products=share.products,
        )
    ),
)
LINES.add(
    DownloadsPaused,
    lambda event: _warning("downloads paused", reason=event.reason, wait_seconds=event.wait),
)


# --- the server ----------------------------------------------------------------------------------

LINES.add(
    Retrying,
    lambda event: _info("retrying", reason=event.reason, wait_seconds=round(event.wait, 1)),
)
LINES.add(
    ServerFailing,
    lambda event: _warning(
        "server not responding or returning errors",
        reason=event.reason,
        wait_seconds=round(event.wait, 1),
    ),
)
LINES.add(
    ServerRecovered,
    lambda event: _info("server recovered", after_seconds=round(event.seconds, 1)),
)
LINES.add(
    ClocksDiffer,
    lambda event: _warning(
        "this machine's clock and the archive's differ; check NTP here",
        differ=show_duration(abs(event.seconds)),
        used="this machine's date",
    ),
)


# --- files and storage ---------------------------------------------------------------------------


def _files_lost(event: FilesLost) -> tuple[Line, ...]:
    wanted, paths = event.files - event.unlisted, list(event.paths)
    lines: tuple[Line, ...] = ()
    if wanted:
        lines += _warning("deleted files will be downloaded again", files=wanted, paths=paths)
    if event.unlisted:
        lines += _warning(
            "deleted files cannot be downloaded again: the archive no longer lists them",
            files=event.unlisted,
            paths=paths,
        )
    return lines


LINES.add(FilesLost, _files_lost)
LINES.add(
    FilesChanged,
    lambda event: _warning(
        "files were changed after they were downloaded; they are left as they are",
        files=event.files,
        paths=list(event.paths),
        reason=event.reason,
        remedy="winter-sync verify --repair",
    ),
)
LINES.add(
    FilesUnreadable,
    lambda event: _error(
        "files cannot be read", files=event.files, paths=list(event.paths), reason=event.reason
    ),
)
LINES.add(
    CheckPaused,
    lambda event: _error(
        "file check paused", reason=event.reason, remedy=event.remedy, wait_seconds=event.wait
    ),
)
LINES.add(
    StorageFailing,
    lambda event: _error(
        "paused: storage failing",
        reason=event.reason,
        remedy=event.remedy,
        wait_seconds=event.wait,
    ),
)
LINES.add(
    DirectoriesNotSynced,
    lambda event: _warning(
        "directories cannot be synced",
        root=event.root,
        outcome="after a power failure the files downloaded last may be missing",
    ),
)
LINES.add(
    GroupNotGiven,
    lambda event: _warning(
        "files do not get the group of their directory",
        directory=event.directory,
        group=event.group,
        remedy="Add the user who runs winter-sync to that group.",
    ),
)


# --- the daemon ----------------------------------------------------------------------------------

LINES.add(
    Recovered,
    lambda event: _info("recovered after crash", adopted=event.adopted, released=event.released),
)
LINES.add(Started, lambda event: _info("started", root=event.root, programs=list(event.programs)))
LINES.add(Stopping, lambda event: _info("stopping", grace_seconds=event.grace))
LINES.add(Stopped, lambda event: _info("stopped", published=event.published, size=event.size))
LINES.add(Reloading, lambda event: _info("settings reloaded", grace_seconds=event.grace))
LINES.add(
    ReloadRefused,
    lambda event: _error(
        "new settings refused; the old ones stay in use", reason=event.reason, remedy=event.remedy
    ),
)
LINES.add(
    Stalled,
    lambda event: (
        Line("critical", "stalled; exiting to be restarted", {"troubles": list(event.troubles)}),
    ),
)
LINES.add(
    DayEnded,
    lambda event: _info("day ended", **{name: getattr(event, name) for name in event.__slots__}),
)
LINES.add(
    ClockJumped,
    lambda event: _warning("clock jumped; polling now", seconds=round(event.seconds, 1)),
)
LINES.add(
    Resumed,
    lambda event: _warning("resumed after being suspended", seconds=round(event.seconds, 1)),
)
LINES.add(
    PagesOpen,
    lambda event: _warning(
        "other machines may reach the pages, which ask for no password",
        listen=event.listen,
        remedy=event.remedy,
    ),
)
