"""What every command needs of its process: output, logging, settings, signals, an exit code."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from winter_sync.cli.streams import Streams
from winter_sync.core import ExitCode, UsageError, WinterSyncError, escape_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TextIO

    from structlog.typing import FilteringBoundLogger

    from winter_sync.cli.options import CommonOptions
    from winter_sync.cli.screen import Screen
    from winter_sync.config import Settings

T = TypeVar("T")

_NAME = "winter-sync"

streams = Streams()
"""Standard output and error of this process; `main` takes them over."""


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line, on standard output unless another stream is given."""
    (stream or sys.stdout).write(f"{text}\n")


def own_name() -> str:
    """Return how a shell starts this program: by its path where its name is not on the PATH."""
    import shlex
    import shutil
    from pathlib import Path

    started = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if started.name != _NAME or (found and Path(found).resolve() == started.resolve()):
        return _NAME
    return shlex.quote(str(started.absolute()))


def fail(error: WinterSyncError) -> NoReturn:
    """Print an error with its remedy, and exit with its code."""
    from winter_sync.cli.wrapping import terminal_width, wrap

    # Faults of the settings are ours to say, a line each; other errors may quote the archive.
    ours = "\n" if isinstance(error, UsageError) else ""
    text = f"winter-sync: {escape_unprintable(error.headline, keep=ours)}"
    if error.remedy:
        text += f"\n  {escape_unprintable(error.remedy, keep=ours)}"
    say(wrap(text, terminal_width(sys.stderr), "  "), sys.stderr)
    sys.exit(error.exit_code)


def finish(code: ExitCode) -> NoReturn:
    """End a command whose purpose is its work, not its output, with the exit code of the work."""
    streams.is_output_optional = True
    raise typer.Exit(code)


def console() -> Screen:
    """Return a console on standard output."""
    from winter_sync.cli.screen import Screen

    return Screen()


def run_until_interrupted(
    work: Coroutine[Any, Any, T], after: str = "run it again to resume."
) -> T:
    """Run a coroutine; SIGINT and SIGTERM cancel it, and then end the process.

    `after` is what is said of an interrupted one.
    """
    import asyncio

    async def interruptible() -> T:
        if (task := asyncio.current_task()) is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"winter-sync: interrupted; {after}", sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


def prepare(
    options: CommonOptions, *, secrets: bool = True, mirror: bool = True, drawing: bool = False
) -> tuple[Settings, FilteringBoundLogger]:
    """Read the settings, and set logging up so that none of their secrets is ever written.

    Parameters
    ----------
    options
        The options before the command.
    secrets
        Whether the command needs the credentials.
    mirror
        Whether a command that needs the credentials needs a root and programs as well.
    drawing
        Whether the command draws its progress on a terminal.

    Raises
    ------
    UsageError
        If the settings are wrong, or anything needed is missing: all of it is named.
    """
    from winter_sync.cli.core_dumps import forbid_core_dumps
    from winter_sync.config import load_settings, read_credentials, require_ready
    from winter_sync.core import redactor

    forbid_core_dumps()
    settings = load_settings(options.config)
    read = require_ready if mirror else read_credentials
    redact = redactor(read(settings) if secrets else None)
    level = options.log_level or ("warning" if drawing and _is_drawn() else "info")
    return settings, set_up_logging(level, form_of(options), redact)


def form_of(options: CommonOptions) -> str:
    """Return the form of the log of a command that ends: for people, also in a pipe."""
    return "human" if options.log_format == "auto" else options.log_format


def set_up_logging(
    level: str, form: str, redact: Callable[[str], str] = str
) -> FilteringBoundLogger:
    """Send the log to standard error, from the given level up, each line redacted."""
    from winter_sync.monitoring import configure_logging, take_over_logging

    logger = configure_logging(redact, level=level, form=form)  # type: ignore[arg-type] # one of FORMATS
    take_over_logging(logger)
    return logger


def _is_drawn() -> bool:
    """Return whether progress is drawn on the terminal that the log goes to as well."""
    from winter_sync.cli.plain_screen import report_screen
    from winter_sync.cli.progress.display import is_drawable

    return is_drawable(report_screen(stderr=True))
