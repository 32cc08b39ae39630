"""The setup of logging: for people on a terminal, as JSON otherwise; never with a secret."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TextIO, cast

from winter_sync.core import ErrorCode, escape_unprintable, without

# structlog draws tracebacks with them, which we write plainly.
with without("rich.console", "rich.pretty", "rich.traceback", "better_exceptions"):
    import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

LogFormat = Literal["auto", "human", "json"]

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""What journald calls the levels: sd-daemon(3), from syslog(3)."""
_FIRST_KEYS = ("timestamp", "level", "event")
_MANY_LINES = frozenset({"exception", "stack"})


def configure_logging(
    redact: Callable[[str], str],
    *,
    level: str = "info",
    form: LogFormat = "auto",
    stream: TextIO | None = None,
) -> FilteringBoundLogger:
    """Set up logging, and return the logger.

    Parameters
    ----------
    redact
        Removes secrets from a text; applied to every string of every line.
    level
        The lowest level that is written: debug, info, warning or error.
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
            *([_printable] if human else []),
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
    """Return whether a descriptor is a stream to journald, as described in systemd.exec(5)."""
    try:
        written = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{written.st_dev}:{written.st_ino}"


def take_over_logging(logger: FilteringBoundLogger) -> None:
    """Write what libraries log and warn of, and uncaught errors, by this logger too.

    So they have the same form, and no secret in them.
    """

    def die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            code = ErrorCode.INTERNAL_FAULT.value
            logger.critical(
                "stopped by an internal fault", code=code, exc_info=(kind, error, trace)
            )

    sys.excepthook = die
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class _StandardError:
    """Standard error as it is at the moment of writing: a progress bar replaces it while drawn.

    A line that cannot be written is lost: a full disk or a reader that is gone stops no work.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
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


def _printable(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Escape what would control a terminal, or start a line that was not logged."""
    return {
        key: escape_unprintable(value, keep="\n" if key in _MANY_LINES else "")
        if isinstance(value, str)
        else value
        for key, value in fields.items()
    }


def _machines_first(logger: WrappedLogger, method: str, fields: EventDict) -> str | bytes:
    """Write a line of JSON that a person can still read: time, level and event come first."""
    first = {key: fields.pop(key) for key in _FIRST_KEYS if key in fields}
    ordered = {**first, **fields}
    return structlog.processors.JSONRenderer(default=str)(logger, method, ordered)


def _for_journal(render: Processor) -> Processor:
    """Put the priority before each line, for `journalctl --priority`."""

    def process(logger: WrappedLogger, method: str, fields: EventDict) -> str:
        sign = f"<{_PRIORITIES[fields['level']]}>"
        return sign + str(render(logger, method, fields)).replace("\n", f"\n{sign}")

    return process


def _redaction(redact: Callable[[str], str]) -> Processor:
    def process(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
        return {key: _redacted(value, redact) for key, value in fields.items()}

    return process


def _redacted(value: object, redact: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redacted(part, redact) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part, redact) for part in value]
    if isinstance(value, int | float | bool | None):
        return value
    return redact(str(value))
