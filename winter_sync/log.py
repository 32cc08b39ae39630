"""What is logged, and how: for people on a terminal, as JSON otherwise; never a secret."""

from __future__ import annotations

import logging
import os
import sys
from functools import singledispatch
from typing import TYPE_CHECKING, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from winter_sync.events import (
    INTERRUPTED,
    BatchBegun,
    BatchEnded,
    ClockJumped,
    DayEnded,
    DownloadsRest,
    Event,
    LeftOut,
    Polled,
    PollFailed,
    ProgramRefused,
    Recovered,
    Reloading,
    ReloadRefused,
    Retrying,
    RowsRefused,
    ServerUnwell,
    ServerWell,
    Settled,
    Stalled,
    Started,
    Stopped,
    Stopping,
    StorageTrouble,
    Tell,
    WindowHalved,
)
from winter_sync.models import Batch, Failed, Missing, Published, Query, Unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

LogFormat = Literal["auto", "human", "json"]

_NAMED = 5
"""How many of a multitude are named in one line; the rest are counted."""
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""What journald calls the levels: sd-daemon(3), from syslog(3)."""
_FIRST_KEYS = ("timestamp", "level", "event")


def configure(
    redact: Callable[[str], str],
    *,
    level: str = "info",
    form: LogFormat = "auto",
    stream: TextIO | None = None,
) -> FilteringBoundLogger:
    """Set logging up and give the logger.

    Parameters
    ----------
    redact
        Takes secrets out of a text; applied to every string of every line.
    level
        The least level that is written: debug, info, warning or error.
    form
        "human", "json", or "auto": human on a terminal.
    stream
        Where lines go; standard error unless given.
    """
    out = stream or _StandardError()
    journal = stream is None and goes_to_journal(os.environ, 2)
    human = form == "human" or (form == "auto" and out.isatty())
    render = _people_first(colors=out.isatty()) if human else _machines_first
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%SZ" if human else "iso", utc=True),
            structlog.processors.format_exc_info,
            _redaction(redact),
            _for_journal(render) if journal else render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", out)),
        cache_logger_on_first_use=False,
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def goes_to_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Tell whether what is written to a descriptor is read by journald, as systemd.exec(5) says."""
    try:
        written = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{written.st_dev}:{written.st_ino}"


def take_over(logger: FilteringBoundLogger) -> None:
    """Let what libraries log and warn of, and what we die of, be written by this logger too.

    So it has the same form, and no secret in it.
    """

    def die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.critical("stopped by a fault of its own", exc_info=(kind, error, trace))

    sys.excepthook = die
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class _StandardError:
    """Standard error as it is at the moment of writing: a progress bar lends it while drawn."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


class _Bridge(logging.Handler):
    """Passes on what is logged with the standard library."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._logger.log(record.levelno, text, logger=record.name, exc_info=record.exc_info)


def _people_first(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors,
        pad_event_to=0,
        pad_level=False,
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,
    )


def _machines_first(logger: WrappedLogger, method: str, fields: EventDict) -> str | bytes:
    """Write a line of JSON that a person can still read: when, how grave and what come first."""
    first = {key: fields.pop(key) for key in _FIRST_KEYS if key in fields}
    ordered = {**first, **fields}
    return structlog.processors.JSONRenderer(default=str)(logger, method, ordered)


def _for_journal(render: Processor) -> Processor:
    """Put the priority before each line, so that `journalctl --priority` can tell them apart."""

    def process(logger: WrappedLogger, method: str, fields: EventDict) -> str:
        sign = f"<{_PRIORITIES[fields['level']]}>"
        return sign + str(render(logger, method, fields)).replace("\n", f"\n{sign}")

    return process


def narrator(logger: FilteringBoundLogger) -> Tell:
    """Give a listener that writes what happens: a line for whatever somebody may want to know."""

    def tell(event: Event) -> None:
        _narrate(event, logger)

    return tell


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
def _(event: RowsRefused, logger: FilteringBoundLogger) -> None:
    reasons = list(dict.fromkeys(event.reasons))[:_NAMED]
    logger.warning("rows left out", **_about(event.query), rows=len(event.reasons), reasons=reasons)


@_narrate.register
def _(event: LeftOut, logger: FilteringBoundLogger) -> None:
    logger.warning(
        "products left out: their path is taken",
        products=len(event.products),
        savepaths=[product.savepath for product in event.products[:_NAMED]],
    )


@_narrate.register
def _(event: Retrying, logger: FilteringBoundLogger) -> None:
    logger.info("tried again", reason=event.reason, wait_seconds=round(event.wait, 1))


@_narrate.register
def _(event: ServerWell, logger: FilteringBoundLogger) -> None:
    logger.info("server well again", after_seconds=round(event.seconds, 1))


@_narrate.register
def _(event: ServerUnwell, logger: FilteringBoundLogger) -> None:
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
def _(event: StorageTrouble, logger: FilteringBoundLogger) -> None:
    logger.error(
        "storage fails; all work rests",
        reason=event.reason,
        remedy=event.remedy,
        wait_seconds=event.wait,
    )


@_narrate.register
def _(event: DownloadsRest, logger: FilteringBoundLogger) -> None:
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
def _(event: Polled, logger: FilteringBoundLogger) -> None:
    counts = {
        name: count
        for name in ("new", "changed", "returned", "withdrawn")
        if (count := getattr(event, name))
    }
    level = logger.info if counts else logger.debug
    level("polled", **_about(event.query), listed=event.listed, **counts)


@_narrate.register
def _(event: BatchBegun, logger: FilteringBoundLogger) -> None:
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
def _(event: Settled, logger: FilteringBoundLogger) -> None:
    product = event.outcome.candidate.product
    fields = {"instrument": product.instrument.value, "savepath": product.savepath}
    match event.outcome:
        case Published(_, evidence):
            logger.debug("published", path=evidence.path, size=evidence.size, kept=evidence.kept)
        case Unchanged(_, evidence):
            logger.debug("unchanged", path=evidence.path)
        case Missing():
            logger.debug("missing on the server", **fields)
        case Failed(_, reason, blamed):
            level = logger.warning if blamed else logger.debug
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


def _redaction(redact: Callable[[str], str]) -> Processor:
    def process(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
        return {key: _redacted(value, redact) for key, value in fields.items()}

    return process


def _redacted(value: object, redact: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(one, redact) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(one, redact) for one in value]
    if isinstance(value, int | float | bool | None):
        return value
    return redact(str(value))
