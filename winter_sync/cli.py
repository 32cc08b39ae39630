"""The command line: what a person types, in commands of a few lines.

Heavy modules are imported by the command that needs them, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from winter_sync import __version__
from winter_sync.errors import ExitCode, UsageError, WinterSyncError
from winter_sync.models import ImageType, Instrument, Night

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.settings import Settings

T = TypeVar("T")

app = typer.Typer(
    name="winter-sync",
    help="Keep a local, trustworthy mirror of WINTER and SPRING data, by night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, secrets among them
)


@dataclass(frozen=True, slots=True)
class Common:
    """The options before the command."""

    config: Path | None
    log_level: str
    log_format: str


def _night(text: str) -> Night:
    try:
        return Night(text.replace("-", ""))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def _version(wanted: bool) -> None:  # noqa: FBT001 - a Typer callback gets the option's value
    if wanted:
        typer.echo(f"winter-sync {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file (TOML); default: $WINTER_SYNC_CONFIG, then the usual."),
    ] = None,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error.", metavar="LEVEL")
    ] = "info",
    log_format: Annotated[
        str, typer.Option(help="human, json, or auto: human on a terminal.", metavar="FORMAT")
    ] = "auto",
    *,
    version: Annotated[  # noqa: ARG001 - acted on by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Keep a local, trustworthy mirror of WINTER and SPRING data, by night."""
    _one_of("--log-level", log_level, ("debug", "info", "warning", "error"))
    _one_of("--log-format", log_format, ("auto", "human", "json"))
    context.obj = Common(config, log_level, log_format)


NightOption = Annotated[Night, typer.Option(parser=_night, metavar="YYYYMMDD")]
Programs = Annotated[list[str] | None, typer.Option("--program", help="Only this program.")]
Types = Annotated[list[ImageType] | None, typer.Option("--type", help="Only this image type.")]
Instruments = Annotated[
    list[Instrument] | None, typer.Option("--instrument", help="Only this camera.")
]


@app.command()
def sync(context: typer.Context) -> None:
    """Poll everything once, fetch what is new, and exit."""
    from winter_sync.oneoff import run_once  # noqa: PLC0415 - heavy

    settings, logger = _prepare(context.obj)
    report = _run(run_once(settings, logger, _console()))
    raise typer.Exit(report.exit_code)


@app.command()
def backfill(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    first: Annotated[Night, typer.Option("--from", parser=_night, metavar="YYYYMMDD")],
    last: Annotated[Night, typer.Option("--to", parser=_night, metavar="YYYYMMDD")],
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
) -> None:
    """Mirror the nights from one to another; interrupt and run again to resume."""
    from winter_sync.mirror import Nights  # noqa: PLC0415 - heavy
    from winter_sync.oneoff import Choice, run_once  # noqa: PLC0415 - heavy

    if last < first:
        raise UsageError(f"--from {first} is after --to {last}", remedy="Swap them.")
    settings, logger = _prepare(context.obj)
    choice = Choice(tuple(programs or ()), tuple(types or ()), tuple(instruments or ()))
    run = run_once(settings, logger, _console(), choice=choice, nights=Nights(first, last))
    raise typer.Exit(_run(run).exit_code)


@app.command()
def status(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine.")] = False,
) -> None:
    """Show what is here, what is to come, and whether the last night is complete."""
    from winter_sync import status as view  # noqa: PLC0415 - heavy
    from winter_sync.catalog import Scope  # noqa: PLC0415 - heavy
    from winter_sync.factory import open_existing_catalog  # noqa: PLC0415 - heavy

    settings, _ = _prepare(context.obj, secrets=False)
    scope = Scope(programs=tuple(one.program for one in settings.selections))

    async def read() -> view.Status:
        async with open_existing_catalog(settings) as catalog:
            return await view.look(catalog, scope)

    found = _run(read())
    if as_json:
        typer.echo(view.as_json(found))
    else:
        view.show(_console(), found)


@app.command()
def check(context: typer.Context) -> None:
    """Check settings, disk, server, clock and credentials, each with its remedy."""
    from winter_sync.doctor import examine  # noqa: PLC0415 - heavy

    settings, _ = _prepare(context.obj, secrets=False)

    async def report() -> ExitCode:
        worst = ExitCode.DONE
        async for finding in examine(settings):
            mark = "warn" if finding.warning else "ok" if finding.good else "FAIL"
            typer.echo(f"{mark:4}  {finding.what}: {finding.said}")
            if finding.remedy:
                typer.echo(f"      {finding.remedy}")
            worst = worst or finding.code
        return worst

    raise typer.Exit(_run(report()))


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 - one option each
    port: Annotated[int, typer.Option(help="0 for any free one.")] = 7000,
    seed: Annotated[int | None, typer.Option(help="Another sky.")] = None,
    night: Annotated[
        list[Night] | None, typer.Option(parser=_night, metavar="YYYYMMDD", help="Repeatable.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Of the image edges; 1 makes real 52 MB exposures.")
    ] = None,
    products: Annotated[int | None, typer.Option(help="About so many a night.")] = None,
    thinking: Annotated[float, typer.Option(help="Seconds before every answer.")] = 0.0,
    cache: Annotated[
        Path | None, typer.Option(help="Keep packed members here; worth it at full scale.")
    ] = None,
) -> None:
    """Run an observatory of our own: the archive's API over synthetic nights."""
    from winter_sync.simulator import SimulatorOptions, serve  # noqa: PLC0415 - heavy

    chosen = {"seed": seed, "nights": tuple(night or ()) or None, "scale": scale}
    options = SimulatorOptions(
        port=port,
        products_a_night=products,
        thinking=thinking,
        cache=cache,
        **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type] # named by their fields
    )
    try:
        serve(options, _announce)
    except OSError as taken:
        raise UsageError(
            f"port {port} cannot be listened on: {taken.strerror}",
            remedy="Give another with --port, or --port 0 for any free one.",
        ) from None


@app.command()
def demo(
    context: typer.Context,
    root: Annotated[
        Path | None, typer.Option(help="Keep the tree here; a temporary place unless given.")
    ] = None,
) -> None:
    """Mirror a night of a simulated observatory, show the tree, and prove it right."""
    import tempfile  # noqa: PLC0415 - only here

    from winter_sync.demo import demonstrate  # noqa: PLC0415 - heavy

    logger = _logger(context.obj, level="warning")
    with tempfile.TemporaryDirectory(prefix="winter-sync-demo-") as temporary:
        place = root or Path(temporary) / "winter"
        raise typer.Exit(_run(demonstrate(place, logger, _console())))


def main() -> NoReturn:
    """Run the command line and exit with the contract's code."""
    try:
        app()
    except WinterSyncError as error:
        typer.echo(f"winter-sync: {error.message}", err=True)
        if error.remedy:
            typer.echo(f"  {error.remedy}", err=True)
        sys.exit(error.exit_code)
    sys.exit(ExitCode.DONE)


def _prepare(options: Common, *, secrets: bool = True) -> tuple[Settings, FilteringBoundLogger]:
    """Read the settings, and set logging up so that no secret of theirs is ever written."""
    from winter_sync import settings as module  # noqa: PLC0415 - heavy
    from winter_sync.redaction import redactor  # noqa: PLC0415 - heavy

    settings = module.load(options.config)
    credentials = module.credentials(settings) if secrets else None
    return settings, _logger(options, redact=redactor(credentials))


def _logger(options: Common, **changes: Any) -> FilteringBoundLogger:  # noqa: ANN401 - passed on
    from winter_sync import log  # noqa: PLC0415 - heavy

    chosen = {"level": options.log_level, "form": options.log_format, "redact": str, **changes}
    return log.configure(**chosen)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415 - heavy
    import signal  # noqa: PLC0415 - heavy

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        typer.echo("winter-sync: interrupted; run it again to go on.", err=True)
        sys.exit(130)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - heavy

    return Console(highlight=False, soft_wrap=True)


def _announce(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise typer.BadParameter(f"{option} is one of {', '.join(known)}, not {value}")
