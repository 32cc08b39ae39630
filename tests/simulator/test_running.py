"""The simulator runs by itself until it is stopped, and is cheap to import."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import winter_sync
from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, Simulator, key_of

if TYPE_CHECKING:
    from winter_sync.simulator import Observatory

CHECKOUT = Path(winter_sync.__file__).parent.parent
SERVE = """
from winter_sync.simulator import SimulatorOptions, serve
serve(SimulatorOptions(port=0, products_a_night=50), lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_it_is_asked_to_stop(number: signal.Signals) -> None:
    """It prints where it listens and with what credentials, serves, and ends well."""
    process = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    with process, ExitStack() as whatever_happens:
        whatever_happens.callback(process.kill)
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(5)]
        url = lines[0].removeprefix("listening on ")
        with urllib.request.urlopen(url + "/simulator/manifest") as answer:  # noqa: S310 - our own
            assert len(json.load(answer)["products"]) == 150
        process.send_signal(number)
        assert process.wait(30) == 0
    assert lines[1] == f"user {DEFAULT_USER} password {DEFAULT_PASSWORD}"
    assert lines[2] == f"program 2024A000 key {key_of('2024A000')}"


def test_importing_is_cheap() -> None:
    """The package brings in neither the server nor the image writers until they are used."""
    code = "import sys, winter_sync.simulator as s; s.Observatory(); print(*sys.modules)"
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert not set(told.stdout.split()) & {"aiohttp", "numpy", "astropy", "fastavro"}


async def test_a_taken_port_is_an_error(observatory: Observatory) -> None:
    """Two simulators cannot have one port; the first is not disturbed."""
    async with Simulator(observatory) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await Simulator(observatory, port=port).__aenter__()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
