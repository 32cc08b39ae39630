"""`winter-sync simulate`: a simulated observatory to try things against."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.options import choice_of, parse_night
from winter_sync.cli.process import finish, own_name, say
from winter_sync.core import ErrorCode, ExitCode, Night, StorageError, UsageError, WinterSyncError

if TYPE_CHECKING:
    from winter_sync.simulator import Script

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")]
Seed = Annotated[int | None, typer.Option(help="Random seed of the products.")]
Nights = Annotated[
    list[Night] | None,
    typer.Option(
        "--night",
        parser=parse_night,
        metavar="YYYYMMDD",
        help="Observed night (repeatable), instead of the notebooks' and the last three.",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=1, help="Scale of the image edges; 1 makes real exposures of 52 MB."
    ),
]
ProductsPerNight = Annotated[
    int | None,
    typer.Option(
        "--products",
        min=1,
        help="Products in each night; fills three nights unless --night chooses others.",
    ),
]
Delay = Annotated[float, typer.Option(min=0, help="Seconds to wait before every answer.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIRECTORY",
        help="Keep packed members here between runs; worthwhile at full scale.",
    ),
]
ZipMethod = Annotated[
    str,
    typer.Option(
        "--zip",
        parser=choice_of(("deflated", "stored")),
        metavar="METHOD",
        help="How zips are packed: deflated or stored.",
    ),
]
FaultScript = Annotated[
    str | None,
    typer.Option(
        "--faults",
        metavar="SCRIPT",
        help='Faults to inject, e.g. "503:0.1,reset-body:0.05@stack,flip:x3": kinds of fault, '
        "each with a rate or a number of times, and a place. See docs/reliability.md.",
    ),
]


def simulate(  # noqa: PLR0913, PLR0917 - one option each
    port: Port = 7000,
    seed: Seed = None,
    nights: Nights = None,
    scale: Scale = None,
    products: ProductsPerNight = None,
    delay: Delay = 0.0,
    cache: Cache = None,
    method: ZipMethod = "deflated",
    script: FaultScript = None,
) -> None:
    """Run a simulated observatory: the archive's API, synthetic data.

    Without options it holds what the real client's notebooks found, and the last three nights.
    """
    from winter_sync.simulator import SimulatorOptions, ZipStyle, serve

    chosen = {"seed": seed, "nights": tuple(nights or ()) or None, "scale": scale}
    options = SimulatorOptions(
        port=port,
        products_a_night=products,
        delay=delay,
        cache=cache,
        zip_style=ZipStyle(method=method),  # type: ignore[arg-type] # one of the two
        faults=_parse_faults(script),
        **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type] # named by their fields
    )
    try:
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
        serve(options, _announce, own_name())
    except OSError as failed:
        raise _explain(failed, port) from None
    finish(ExitCode.DONE)


def _parse_faults(text: str | None) -> Script | None:
    from winter_sync.simulator import parse_script

    try:
        return None if text is None else parse_script(text)
    except ValueError as wrong:
        message = f"--faults: {wrong}"
        raise UsageError(
            message, remedy="docs/reliability.md lists the faults.", code=ErrorCode.USE_OPTION
        ) from None


def _announce(line: str) -> None:
    say(line)
    sys.stdout.flush()


def _explain(failed: OSError, port: int) -> WinterSyncError:
    """Explain why the simulator could not start or go on."""
    if failed.filename is not None:
        return StorageError(
            f"{failed.filename}: {failed.strerror}",
            remedy="Give another --cache, or none.",
            code=ErrorCode.DISK_ERROR,
        )
    is_taken = failed.errno == errno.EADDRINUSE
    reason = "is already in use" if is_taken else f"cannot be used: {_reason(failed)}"
    return UsageError(
        f"port {port} {reason}",
        remedy="Give another with --port, or --port 0 for any free one.",
        code=ErrorCode.PAGE_ADDRESS,
    )


def _reason(failed: OSError) -> str:
    """Return the system's words; some errors of asyncio have no errno, only words."""
    return os.strerror(failed.errno) if failed.errno else str(failed)
