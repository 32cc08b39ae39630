"""The command line: the application, the options before the command, and how the process ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from winter_sync import __version__
from winter_sync.cli.examples import ABOUT_COMMON
from winter_sync.cli.garbage import put_off_search, skip_last_search
from winter_sync.cli.group import Program
from winter_sync.cli.options import FORMATS, LEVELS, CommonOptions, choice_of
from winter_sync.cli.process import fail, say, streams
from winter_sync.core import ErrorCode, ExitCode, StorageError, WinterSyncError, describe_exit_codes

app = typer.Typer(
    name="winter-sync",
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keep a local, trustworthy mirror of WINTER and SPRING data, by night.",
    epilog=f"{ABOUT_COMMON}\n\nExit codes: {describe_exit_codes()}.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,  # they would print local variables, secrets among them
    rich_markup_mode=None,  # importing what draws the boxes takes longer than everything else
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - a Typer callback gets the option's value
    if wanted:
        say(f"winter-sync {__version__}")
        raise typer.Exit


Config = Annotated[
    Path | None,
    typer.Option(
        # What follows \b keeps its lines: a path broken at a hyphen cannot be copied.
        help="Settings file (TOML). Without it, the first of these that exists:\n\n\b\n"
        "$WINTER_SYNC_CONFIG\n"
        "~/.config/winter-sync/winter-sync.toml\n"
        "/etc/winter-sync/winter-sync.toml\n\n"
        "$XDG_CONFIG_HOME replaces ~/.config. Environment variables "
        "WINTER_SYNC_<SECTION>__<KEY> override the file.",
        metavar="FILE",
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        parser=choice_of(LEVELS),
        help="debug, info, warning or error. Default: info; warning if progress is drawn.",
        metavar="LEVEL",
    ),
]
LogFormat = Annotated[
    str,
    typer.Option(
        parser=choice_of(FORMATS),
        help="human, json, or auto: human, but json for `run` where it is not on a terminal.",
        metavar="FORMAT",
    ),
]
Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
]


@app.callback()
def common(
    context: typer.Context,
    config: Config = None,
    log_level: LogLevel = None,
    log_format: LogFormat = "auto",
    *,
    version: Version = False,  # noqa: ARG001 - acted on by its callback
) -> None:
    """Keep a local, trustworthy mirror of WINTER and SPRING data, by night."""
    context.obj = CommonOptions(config, log_level, log_format)


def main() -> NoReturn:
    """Run the command line and exit with the code that the contract gives."""
    # A plugin of any installed package would be shown each setting, secrets among them; and to look
    # for plugins, pydantic reads the metadata of all packages.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    put_off_search()
    # The first process of a container never receives SIGTERM unless it installs a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.TERMINATED))
    streams.take_over()
    try:
        _run_command()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        sys.exit(streams.exit_code(ended.code or ExitCode.DONE))
    finally:
        skip_last_search()


def _run_command() -> NoReturn:
    try:
        app()
    except WinterSyncError as error:
        fail(error)
    except PermissionError as denied:
        remedy = "Give the user who runs winter-sync access to it."
        fail(
            StorageError(
                f"{denied.filename}: {denied.strerror}",
                remedy=remedy,
                code=ErrorCode.DISK_PERMISSION,
            )
        )
    sys.exit(ExitCode.DONE)
