"""What is logged of what happens: a line for whatever somebody may want to know."""

from __future__ import annotations

from functools import singledispatch

from structlog.typing import FilteringBoundLogger

from winter_sync.core import (
    FAILED_DOWNLOAD,
    INTERRUPTED,
    Batch,
    BatchEnded,
    BatchStarted,
    CheckPaused,
    ClockJumped,
    ClocksDiffer,
    DayEnded,
    DirectoriesNotSynced,
    DownloadsPaused,
    Event,
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
    Query,
    Recovered,
    Reloading,
    ReloadRefused,
    Resumed,
    Retrying,
    RowsLeftOut,
    ServerFailing,
    ServerRecovered,
    Sink,
    Stalled,
    Started,
    Stopped,
    Stopping,
    StorageFailing,
    Unchanged,
    WindowHalved,
    show_duration,
)

_NAMED = 5
"""How many of a multitude are named in one line; the rest are counted."""


def narrator(logger: FilteringBoundLogger) -> Sink:
    """Give a listener that writes what happens to a log."""

    def emit(event: Event) -> None:
        _narrate(event, logger)

    return emit


@singledispatch
def _narrate(event: object, logger: FilteringBoundLogger) -> None:
    """Write nothing of events that are too many or too small for a log."""
    del event, logger


@_narrate.register
def _(event: PollFailed, logger: FilteringBoundLogger) -> None:
    logger.warning("poll failed", **_about(event.query), reason=event.reason)


@_narrate.register
def _(event: WindowHalved, logger: FilteringBoundLogger) -> None:
    logger.info(
        "window halved",
        **_about(event.query),
        start=str(event.query.start),
        end=str(event.query.end or "today"),
        reason=event.reason,
    )


@_narrate.register
def _(event: RowsLeftOut, logger: FilteringBoundLogger) -> None:
    reasons = list(dict.fromkeys(event.reasons))[:_NAMED]
    logger.warning("rows left out", **_about(event.query), rows=event.rows, reasons=reasons)


@_narrate.register
def _(event: FilesLost, logger: FilteringBoundLogger) -> None:
    wanted = event.files - event.unlisted
    if wanted:
        logger.warning(_deleted(wanted), files=wanted, paths=list(event.paths))
    if event.unlisted:
        logger.warning(
            "deleted files cannot be downloaded again: the archive no longer lists them",
            files=event.unlisted,
            paths=list(event.paths),
        )


def _deleted(files: int) -> str:
    if files == 1:
        return "1 file that was deleted is downloaded again"
    return f"{files} files that were deleted are downloaded again"


@_narrate.register
def _(event: FilesChanged, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "files were changed after they were downloaded; they are left as they are",
        files=event.files,
        paths=list(event.paths),
        reason=event.reason,
        remedy="winter-sync verify --repair",
    )


@_narrate.register
def _(event: FilesUnreadable, logger: FilteringBoundLogger) -> None:
    logger.error(
        "files cannot be read",
        files=event.files,
        paths=list(event.paths),
        reason=event.reason,
    )


@_narrate.register
def _(event: CheckPaused, logger: FilteringBoundLogger) -> None:
    logger.error(
        "the check of files is paused",
        reason=event.reason,
        remedy=event.remedy,
        wait_seconds=event.wait,
    )


@_narrate.register
def _(event: ProductsLeftOut, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "products left out: their path is taken",
        products=len(event.products),
        savepaths=[product.savepath for product in event.products[:_NAMED]],
    )


@_narrate.register
def _(event: FoundUnchanged, logger: FilteringBoundLogger) -> None:
    for share in event.shares:
        logger.info(
            "reprocessing marks without new content",
            night=share.night.name,
            instrument=share.instrument.value,
            image_type=share.image_type.value,
            products=share.products,
        )


@_narrate.register
def _(event: Retrying, logger: FilteringBoundLogger) -> None:
    logger.info("tried again", reason=event.reason, wait_seconds=round(event.wait, 1))


@_narrate.register
def _(event: ServerRecovered, logger: FilteringBoundLogger) -> None:
    logger.info("server well again", after_seconds=round(event.seconds, 1))


@_narrate.register
def _(event: ServerFailing, logger: FilteringBoundLogger) -> None:
    logger.warning("server unwell", reason=event.reason, wait_seconds=round(event.wait, 1))


@_narrate.register
def _(event: Recovered, logger: FilteringBoundLogger) -> None:
    logger.info("put in order after a crash", adopted=event.adopted, released=event.released)


@_narrate.register
def _(event: ProgramRefused, logger: FilteringBoundLogger) -> None:
    logger.error(
        "program refused", program=event.program, reason=event.reason, wait_seconds=event.wait
    )


@_narrate.register
def _(event: StorageFailing, logger: FilteringBoundLogger) -> None:
    logger.error(
        "storage fails; all work rests",
        reason=event.reason,
        remedy=event.remedy,
        wait_seconds=event.wait,
    )


@_narrate.register
def _(event: DownloadsPaused, logger: FilteringBoundLogger) -> None:
    logger.warning("downloads rest", reason=event.reason, wait_seconds=event.wait)


@_narrate.register
def _(event: Started, logger: FilteringBoundLogger) -> None:
    logger.info("started", root=event.root, programs=list(event.programs))


@_narrate.register
def _(event: Stopping, logger: FilteringBoundLogger) -> None:
    logger.info("stopping", grace_seconds=event.grace)


@_narrate.register
def _(event: Stopped, logger: FilteringBoundLogger) -> None:
    logger.info("stopped", published=event.published, size=event.size)


@_narrate.register
def _(event: Reloading, logger: FilteringBoundLogger) -> None:
    logger.info("settings read again", grace_seconds=event.grace)


@_narrate.register
def _(event: ReloadRefused, logger: FilteringBoundLogger) -> None:
    logger.error(
        "new settings refused; the old ones stay", reason=event.reason, remedy=event.remedy
    )


@_narrate.register
def _(event: Stalled, logger: FilteringBoundLogger) -> None:
    logger.critical("stalled; ending, to be started again", troubles=list(event.troubles))


@_narrate.register
def _(event: DayEnded, logger: FilteringBoundLogger) -> None:
    logger.info("day ended", **{name: getattr(event, name) for name in event.__slots__})


@_narrate.register
def _(event: ClockJumped, logger: FilteringBoundLogger) -> None:
    logger.warning("the clock jumped; polling now", seconds=round(event.seconds, 1))


@_narrate.register
def _(event: ClocksDiffer, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "this machine's clock and the archive's differ; check NTP here",
        differ=show_duration(abs(event.seconds)),
        used="this machine's date",
    )


@_narrate.register
def _(event: DirectoriesNotSynced, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "directories cannot be synced",
        root=event.root,
        outcome="after a power failure the files downloaded last may be missing",
    )


@_narrate.register
def _(event: GroupNotGiven, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "files do not get the group of their directory",
        directory=event.directory,
        group=event.group,
        remedy="Add the user who runs winter-sync to that group.",
    )


@_narrate.register
def _(event: Resumed, logger: FilteringBoundLogger) -> None:
    logger.warning("this process was stopped, and resumes", seconds=round(event.seconds, 1))


@_narrate.register
def _(event: PagesOpen, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "other machines may reach the pages, which ask for no password",
        listen=event.listen,
        remedy=event.remedy,
    )


@_narrate.register
def _(event: Polled, logger: FilteringBoundLogger) -> None:
    counts = {
        name: count
        for name in ("new", "changed", "returned", "withdrawn")
        if (count := getattr(event, name))
    }
    level = logger.info if counts else logger.debug
    level("polled", **_about(event.query), listed=event.listed, **counts)


@_narrate.register
def _(event: BatchStarted, logger: FilteringBoundLogger) -> None:
    logger.debug("download begins", **_contents(event.batch))


@_narrate.register
def _(event: BatchEnded, logger: FilteringBoundLogger) -> None:
    fields = {**_contents(event.batch), "seconds": round(event.seconds, 3)}
    if event.trouble is None:
        logger.debug("download ended", **fields)
    elif event.trouble == INTERRUPTED:
        logger.info("download broken off", **fields)
    else:
        logger.warning("download broke", **fields, reason=event.trouble)


@_narrate.register
def _(event: ProductFinished, logger: FilteringBoundLogger) -> None:
    product = event.outcome.candidate.product
    fields = {"instrument": product.instrument.value, "savepath": product.savepath}
    match event.outcome:
        case Published(_, evidence, None):
            logger.debug("published", path=evidence.path, size=evidence.size, kept=evidence.kept)
        case Published(_, evidence, note):
            logger.info("published, but odd", path=evidence.path, size=evidence.size, note=note)
        case Unchanged(_, evidence):
            logger.debug("unchanged", path=evidence.path)
        case Missing():
            logger.debug("missing on the server", **fields)
        case Failed(candidate, reason, blamed):
            # What came damaged often comes whole at the next attempt.
            is_immediate = FAILED_DOWNLOAD.is_immediate(candidate.attempts + 1)
            grave = logger.info if is_immediate else logger.warning
            level = grave if blamed else logger.debug
            level("failed", **fields, reason=reason)


def _about(query: Query) -> dict[str, str]:
    subject = query.subject
    return {
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
    }


def _contents(batch: Batch) -> dict[str, object]:
    return {
        "batch": batch.identifier,
        "program": batch.program,
        "image_type": batch.image_type.value,
        "products": len(batch.candidates),
    }
