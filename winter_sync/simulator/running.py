"""Runs a simulated observatory by itself until it is stopped."""

from __future__ import annotations

import asyncio
import shlex
import signal
import textwrap
from typing import TYPE_CHECKING

from winter_sync.simulator.faults.kinds import Circumstances
from winter_sync.simulator.http.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.simulator.options import SimulatorOptions

_WIDTH = 79
"""The columns of the lines that it announces."""


def serve(
    options: SimulatorOptions, announce: Callable[[str], None], command: str = "winter-sync"
) -> None:
    """Serve until SIGTERM or SIGINT; must be called in the main thread.

    `announce` is given the URL and the credentials, line by line, once it listens; the last line
    runs `command`, which is how a shell finds the program.

    Raises
    ------
    OSError
        If the port is taken.
    """
    asyncio.run(_serve(options, announce, command))


async def _serve(options: SimulatorOptions, announce: Callable[[str], None], command: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with simulator_of(options) as simulator:
        for line in _greeting(simulator, command):
            announce(line)
        await stop.wait()


def simulator_of(options: SimulatorOptions) -> Simulator:
    """Build the simulator that options describe; it does not listen yet."""
    observatory = options.observatory()
    circumstances = Circumstances(seed=options.seed, now=observatory.clock.now)
    faults = None if options.faults is None else options.faults.faults(circumstances)
    return Simulator(
        observatory,
        host=options.host,
        port=options.port,
        zip_style=options.zip_style,
        faults=faults,
        delay=options.delay,
        cache=options.cache,
    )


def _greeting(simulator: Simulator, command: str) -> Iterator[str]:
    """Yield lines that say how to reach it; these credentials open nothing but a simulator."""
    observatory = simulator.observatory
    yield f"listening on {simulator.url}"
    for account in observatory.accounts.users:
        yield f"user {account.user} password {account.password}"
    for record in observatory.accounts.programs:
        yield f"program {record.name} key {record.api_key}"
    nights = " ".join(night.name for night in observatory.universe.all_nights)
    yield textwrap.fill(f"nights {nights}", _WIDTH, subsequent_indent=" " * len("nights "))
    yield f"simulated time {observatory.clock.now():%Y-%m-%d %H:%M:%S} UTC; Ctrl-C ends it"
    yield from _to_paste(simulator, command)


def _to_paste(simulator: Simulator, command: str) -> Iterator[str]:
    """Yield the lines with which a shell mirrors the program that observed last."""
    accounts = simulator.observatory.accounts
    program = max(accounts.programs, key=lambda record: (record.end, record.name))
    account = next(user for user in accounts.users if user.may_read(program.name))
    yield "\nTo mirror it, paste this into another terminal:\n"
    for name, value in (
        ("WINTER_SYNC_API__BASE_URL", simulator.url),
        ("WINTER_API_USER", account.user),
        ("WINTER_API_PASSWORD", account.password),
        ("WINTER_API_PROGRAM", program.name),
        ("WINTER_API_KEY", program.api_key),
    ):
        yield f"export {name}={shlex.quote(value)}"
    yield 'export WINTER_SYNC_MIRROR__ROOT="$HOME/winter-simulated"'
    yield f"{command} sync"
