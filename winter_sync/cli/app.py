"""The command line: what a person types, in commands of a few lines.

Heavy modules are imported by the command that needs them, so that `--help` is instant.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from winter_sync import __version__
from winter_sync.cli.streams import Streams
from winter_sync.core import (
    ExitCode,
    ImageType,
    Instrument,
    Night,
    StorageError,
    UsageError,
    WinterSyncError,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any, TextIO

    from structlog.typing import FilteringBoundLogger

    from winter_sync.cli.screen import Screen
    from winter_sync.config import Settings
    from winter_sync.simulator import Script

T = TypeVar("T")
W = TypeVar("W", bound=str)

INTERRUPTED = 130
"""The exit code after SIGINT or SIGTERM, as shells have it for the former."""
TERMINATED = 143
"""The exit code after SIGTERM while nothing is begun, as shells have it."""
_FILES_LOOKED_AT = 5000
"""`status` looks whether the files of the newest nights are there, about so many."""
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "human", "json")

_streams = Streams()
"""Standard output and error of this process; `main` takes them over."""

app = typer.Typer(
    name="winter-sync",
    help="Keep a local, trustworthy mirror of WINTER and SPRING data, by night.",
    epilog="Exit codes: 0 done, 1 an internal fault, 2 usage or settings, 3 credentials refused, "
    "4 server unreachable or unwell, 5 some products could not be downloaded (they will be "
    "retried), or verify found something wrong, 6 storage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, secrets among them
)


@dataclass(frozen=True, slots=True)
class Common:
    """The options before the command."""

    config: Path | None
    log_level: str | None
    log_format: str

    def level(self, *, drawing: bool) -> str:
        """Give the least level to log: what was asked for, else what fits what is shown."""
        return self.log_level or ("warning" if drawing and _is_drawn() else "info")


def _night(text: str) -> Night:
    try:
        return Night(text.replace("-", ""))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def _among(words: Iterable[W]) -> Callable[[str], W]:
    """Make a parser that takes one of these words, and for another names the nearest."""
    known = {str(word): word for word in words}

    def parse(text: str) -> W:
        if text in known:
            return known[text]
        from winter_sync.config import nearest  # noqa: PLC0415 - heavy

        raise typer.BadParameter(f"{text!r} is not known{nearest(text, list(known))}")

    return parse


def _version(wanted: bool) -> None:  # noqa: FBT001 - a Typer callback gets the option's value
    if wanted:
        _say(f"winter-sync {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file (TOML). Without it, the first of these that exists: "
            "$WINTER_SYNC_CONFIG, ~/.config/winter-sync/winter-sync.toml "
            "(or below $XDG_CONFIG_HOME), /etc/winter-sync/winter-sync.toml. Environment variables "
            "WINTER_SYNC_<SECTION>__<KEY> win over the file.",
            metavar="FILE",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            parser=_among(LEVELS),
            help="debug, info, warning or error. Default: info; warning if progress is drawn.",
            metavar="LEVEL",
        ),
    ] = None,
    log_format: Annotated[
        str,
        typer.Option(
            parser=_among(FORMATS),
            help="human, json, or auto: human on a terminal, else json.",
            metavar="FORMAT",
        ),
    ] = "auto",
    *,
    version: Annotated[  # noqa: ARG001 - acted on by its callback
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Keep a local, trustworthy mirror of WINTER and SPRING data, by night."""
    context.obj = Common(config, log_level, log_format)


def _words(option: str, words: tuple[str, ...], about: str) -> Any:  # noqa: ANN401 - Typer's is Any too
    return typer.Option(
        option,
        parser=_among(words),
        metavar=option.strip("-").upper(),
        help=f"Only {about} (repeatable): {', '.join(words)}.",
    )


Programs = Annotated[
    list[str] | None,
    typer.Option("--program", metavar="PROGRAM", help="Only this program (repeatable)."),
]
Types = Annotated[list[ImageType] | None, _words("--type", tuple(ImageType), "this image type")]
Instruments = Annotated[
    list[Instrument] | None, _words("--instrument", tuple(Instrument), "this instrument")
]


@app.command()
def run(context: typer.Context) -> None:
    """Keep the mirror up to date until told to stop: the daemon.

    SIGTERM or SIGINT ends it after the downloads under way, or after daemon.grace; a second one
    ends it at once. SIGHUP makes it read its settings again.
    """
    # Whoever wants the settings read again while they are first read would else end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    import asyncio  # noqa: PLC0415 - heavy

    from winter_sync.cli.core_dumps import forbid_core_dumps  # noqa: PLC0415 - heavy
    from winter_sync.config import load_settings  # noqa: PLC0415 - heavy
    from winter_sync.core import Redaction  # noqa: PLC0415 - heavy
    from winter_sync.daemon import (  # noqa: PLC0415 - heavy
        Configuration,
        Service,
        SystemdNotifier,
    )
    from winter_sync.monitoring import narrator  # noqa: PLC0415 - heavy

    forbid_core_dumps()
    redaction = Redaction()

    def load() -> Configuration:
        configuration = Configuration.check(load_settings(context.obj.config))
        redaction.add(configuration.credentials)
        return configuration

    logger = _logger(context.obj.level(drawing=False), context.obj.log_format, redaction)
    notifier = SystemdNotifier.from_environment(os.environ)

    async def live() -> None:
        service = Service(load, tell=narrator(logger), notifier=notifier)
        with service.signals.installed():
            await service.run()

    asyncio.run(live())
    _finish(ExitCode.DONE)


NewRoot = Annotated[
    bool,
    typer.Option(
        "--new-root",
        help="The root was emptied on purpose: begin anew in it and download everything again.",
    ),
]


@app.command()
def sync(context: typer.Context, *, new_root: NewRoot = False) -> None:
    """Poll everything once, fetch what is new, and exit."""
    from winter_sync.cli.run_once import run_once  # noqa: PLC0415 - heavy

    settings, logger = _prepare(context.obj, drawing=True)
    _finish(_run(run_once(settings, logger, _console(), new_root=new_root)).exit_code)


@app.command()
def backfill(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    first: Annotated[
        Night, typer.Option("--from", parser=_night, metavar="YYYYMMDD", help="First night.")
    ],
    last: Annotated[
        Night, typer.Option("--to", parser=_night, metavar="YYYYMMDD", help="Last night.")
    ],
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
    *,
    new_root: NewRoot = False,
) -> None:
    """Mirror a span of nights; interrupt it and run it again to resume."""
    from winter_sync.cli.run_once import Choice, run_once  # noqa: PLC0415 - heavy
    from winter_sync.sync import Nights  # noqa: PLC0415 - heavy

    if last < first:
        raise UsageError(f"--from {first} is after --to {last}", remedy="Swap them.")
    settings, logger = _prepare(context.obj, drawing=True)
    choice = Choice(tuple(programs or ()), tuple(types or ()), tuple(instruments or ()))
    nights = Nights(first, last)
    report = _run(
        run_once(settings, logger, _console(), choice=choice, nights=nights, new_root=new_root)
    )
    _finish(report.exit_code)


@app.command()
def verify(  # noqa: PLR0913 - one option each
    context: typer.Context,
    programs: Programs = None,
    nights: Annotated[
        list[Night] | None,
        typer.Option(
            "--night", parser=_night, metavar="YYYYMMDD", help="Only this night (repeatable)."
        ),
    ] = None,
    *,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Look only at existence, size and modification time of each file."
        ),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Download again what is missing or changed; changed files are kept aside.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check that the files here are those that were downloaded; interrupt and rerun to resume."""
    from winter_sync.cli import verify as module  # noqa: PLC0415 - heavy

    settings, logger = _prepare(context.obj, secrets=repair, drawing=True)
    request = module.Request(quick, tuple(programs or ()), tuple(nights or ()), repair)

    async def work() -> module.Result:
        return await module.verify(settings, logger, _console(), request, as_json=as_json)

    _finish(_run(work()).exit_code)


@app.command()
def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show what is here and what is pending, and whether all listed of the last night is here."""
    from winter_sync.catalog import Scope  # noqa: PLC0415 - heavy
    from winter_sync.cli.status_view import show  # noqa: PLC0415 - heavy
    from winter_sync.factory import now, open_existing_catalog  # noqa: PLC0415 - heavy
    from winter_sync.monitoring import Status, read_status, status_as_json, with_damaged  # noqa: PLC0415 - heavy
    from winter_sync.sync import look_at_newest  # noqa: PLC0415 - heavy

    settings, _ = _prepare(context.obj, secrets=False)

    async def read() -> Status:
        async with open_existing_catalog(settings) as catalog:
            found = await read_status(catalog, settings.selections, now())
            scope = Scope(programs=tuple(one.program for one in settings.selections))
            damaged = await look_at_newest(
                catalog,
                settings.root,
                scope,
                _FILES_LOOKED_AT,
                follow_links=settings.mirror.follow_links,
            )
            return with_damaged(found, damaged)

    found = _run(read())
    if as_json:
        _say(status_as_json(found))
    else:
        show(_console(), found)


@app.command()
def check(context: typer.Context) -> None:
    """Check settings, disk, server, clock and credentials; say how to mend what is wrong."""
    from winter_sync.cli import check as doctor  # noqa: PLC0415 - heavy
    from winter_sync.config import find_file  # noqa: PLC0415 - heavy
    from winter_sync.monitoring import narrator  # noqa: PLC0415 - heavy

    settings, logger = _prepare(context.obj, secrets=False)
    file = find_file(context.obj.config)
    console = _console()

    async def report() -> ExitCode:
        findings = []
        async for finding in doctor.examine(settings, narrator(logger), settings_file=file):
            doctor.show(console, finding)
            findings.append(finding)
        return doctor.worst(findings)

    raise typer.Exit(_run(report()))


Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")]
Seed = Annotated[int | None, typer.Option(help="Another seed makes other products.")]
SimulatedNights = Annotated[
    list[Night] | None,
    typer.Option("--night", parser=_night, metavar="YYYYMMDD", help="Observed night (repeatable)."),
]
Scale = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=1, help="Scale of the image edges; 1 makes real exposures of 52 MB."
    ),
]
ProductsANight = Annotated[
    int | None, typer.Option("--products", min=1, help="Products in each night.")
]
Thinking = Annotated[float, typer.Option(min=0, help="Seconds to wait before every answer.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIRECTORY", help="Keep packed members here between runs; worth it at full scale."
    ),
]
ZipMethod = Annotated[
    str,
    typer.Option(
        "--zip",
        parser=_among(("deflated", "stored")),
        metavar="METHOD",
        help="How zips are packed: deflated or stored.",
    ),
]
FaultScript = Annotated[
    str | None,
    typer.Option(
        "--faults",
        metavar="SCRIPT",
        help='What goes wrong, like "503:0.1,reset-body:0.05@stack,flip:x3": kinds of fault, '
        "each with a rate or a number of times, and a place. See docs/reliability.md.",
    ),
]


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 - one option each
    port: Port = 7000,
    seed: Seed = None,
    nights: SimulatedNights = None,
    scale: Scale = None,
    products: ProductsANight = None,
    thinking: Thinking = 0.0,
    cache: Cache = None,
    method: ZipMethod = "deflated",
    script: FaultScript = None,
) -> None:
    """Run a simulated observatory: the archive's API over synthetic nights."""
    from winter_sync.simulator import SimulatorOptions, ZipStyle, serve  # noqa: PLC0415 - heavy

    chosen = {"seed": seed, "nights": tuple(nights or ()) or None, "scale": scale}
    options = SimulatorOptions(
        port=port,
        products_a_night=products,
        thinking=thinking,
        cache=cache,
        zip_style=ZipStyle(method=method),  # type: ignore[arg-type] # one of the two
        faults=_faults(script),
        **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type] # named by their fields
    )
    try:
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
        serve(options, _announce)
    except OSError as failed:
        raise _not_served(failed, port) from None
    _finish(ExitCode.DONE)


@app.command()
def demo(
    context: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Keep the tree in this directory, empty or new. Default: a temporary place.",
        ),
    ] = None,
) -> None:
    """Mirror a night of a simulated observatory, show the tree, and verify it."""
    import tempfile  # noqa: PLC0415 - only here

    from winter_sync.cli.demo import demonstrate  # noqa: PLC0415 - heavy

    logger = _logger(context.obj.log_level or "warning", context.obj.log_format)
    with tempfile.TemporaryDirectory(prefix="winter-sync-demo-") as temporary:
        place = root or Path(temporary) / "winter"
        _finish(_run(demonstrate(place, logger, _console())))


def main() -> NoReturn:
    """Run the command line and exit with the contract's code."""
    # As the first process of a container it would not hear SIGTERM unless it listens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    _streams.take_over()
    try:
        _run_command()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        sys.exit(_streams.exit_code(ended.code or ExitCode.DONE))


def _run_command() -> NoReturn:
    try:
        app()
    except WinterSyncError as error:
        _fail(error)
    except PermissionError as denied:
        remedy = "Give the user who runs winter-sync access to it."
        _fail(StorageError(f"{denied.filename}: {denied.strerror}", remedy=remedy))
    sys.exit(ExitCode.DONE)


def _fail(error: WinterSyncError) -> NoReturn:
    _say(f"winter-sync: {printable(error.message)}", sys.stderr)
    if error.remedy:
        _say(f"  {printable(error.remedy)}", sys.stderr)
    sys.exit(error.exit_code)


def _finish(code: ExitCode) -> NoReturn:
    """End a command that works, with the code of its work; what it prints is not its purpose."""
    _streams.is_output_optional = True
    raise typer.Exit(code)


def _say(text: str, stream: TextIO | None = None) -> None:
    """Write a line, on standard output unless another stream is given."""
    (stream or sys.stdout).write(f"{text}\n")


def _prepare(
    options: Common, *, secrets: bool = True, drawing: bool = False
) -> tuple[Settings, FilteringBoundLogger]:
    """Read the settings, and set logging up so that no secret of theirs is ever written.

    `drawing` says that progress will be drawn on a terminal.
    """
    from winter_sync.cli.core_dumps import forbid_core_dumps  # noqa: PLC0415 - heavy
    from winter_sync.config import (  # noqa: PLC0415 - heavy
        load_settings,
        read_credentials,
    )
    from winter_sync.core import redactor  # noqa: PLC0415 - heavy

    forbid_core_dumps()
    settings = load_settings(options.config)
    redact = redactor(read_credentials(settings) if secrets else None)
    return settings, _logger(options.level(drawing=drawing), options.log_format, redact)


def _logger(level: str, form: str, redact: Callable[[str], str] = str) -> FilteringBoundLogger:
    from winter_sync.monitoring import configure_logging, take_over_logging  # noqa: PLC0415 - heavy

    logger = configure_logging(redact, level=level, form=form)  # type: ignore[arg-type] # one of FORMATS
    take_over_logging(logger)
    return logger


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGINT and SIGTERM cancel it, and then end the process."""
    import asyncio  # noqa: PLC0415 - heavy

    async def interruptible() -> T:
        if (task := asyncio.current_task()) is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("winter-sync: interrupted; run it again to go on.", sys.stderr)
        sys.exit(INTERRUPTED)


def _faults(text: str | None) -> Script | None:
    from winter_sync.simulator import parse_script  # noqa: PLC0415 - heavy

    try:
        return None if text is None else parse_script(text)
    except ValueError as wrong:
        told = f"--faults: {wrong}"
        raise UsageError(told, remedy="What can go wrong is in docs/reliability.md.") from None


def _is_drawn() -> bool:
    """Tell whether progress is drawn where the log goes as well."""
    from winter_sync.cli.progress import is_drawable  # noqa: PLC0415 - heavy
    from winter_sync.cli.screen import Screen  # noqa: PLC0415 - heavy

    return is_drawable(Screen(stderr=True))


def _console() -> Screen:
    from winter_sync.cli.screen import Screen  # noqa: PLC0415 - heavy

    return Screen()


def _announce(line: str) -> None:
    _say(line)
    sys.stdout.flush()


def _not_served(failed: OSError, port: int) -> WinterSyncError:
    """Explain why the simulator could not begin or go on."""
    if failed.filename is not None:
        return StorageError(
            f"{failed.filename}: {failed.strerror}", remedy="Give another --cache, or none."
        )
    is_taken = failed.errno == errno.EADDRINUSE
    reason = "is already in use" if is_taken else f"cannot be used: {_said(failed)}"
    return UsageError(
        f"port {port} {reason}", remedy="Give another with --port, or --port 0 for any free one."
    )


def _said(failed: OSError) -> str:
    """Return what the system says; some errors of asyncio have no errno, only words."""
    return os.strerror(failed.errno) if failed.errno else str(failed)
