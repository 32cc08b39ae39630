"""The circuit breaker: a failing server is not asked, and everybody learns when it recovers."""

from __future__ import annotations

import asyncio

import pytest

from winter_sync.archive.circuit_breaker import CircuitBreaker, Closed, Opened
from winter_sync.core.clocks import Time
from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import TransientError

BUSY = TransientError("busy")


class Server:
    """A server with a driven clock, a circuit before it, and a note of all that happens."""

    def __init__(self, *, patience: float = 1e9) -> None:
        self.now = 0.0
        self.well = False
        self.probes: list[float] = []
        self.told: list[Opened | Closed] = []
        self.circuit = CircuitBreaker(
            probe=self.probe,
            time=Time(monotonic=lambda: self.now, sleep=self.sleep, random=lambda: 0.5),
            patience=patience,
            emit=self.told.append,
        )

    async def probe(self) -> None:
        """Answer a probe; the fifth finds the server well."""
        self.probes.append(self.now)
        if not self.well and len(self.probes) < 5:
            raise BUSY

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        await asyncio.sleep(0)

    def fail(self, times: int, error: TransientError = BUSY) -> None:
        """Meet this many failures."""
        for _ in range(times):
            self.circuit.record_failure(error)


async def test_a_few_failures_hold_nobody() -> None:
    """Failures that are not in a row, or too few, leave the circuit closed."""
    server = Server()
    for _ in range(10):
        server.fail(4)
        server.circuit.record_success()
    await server.circuit.wait_until_allowed()
    assert (server.now, server.told) == (0.0, [])


async def test_failures_in_a_row_hold_everybody_until_a_probe_succeeds() -> None:
    """Once open, all wait; one probes at a time, ever more rarely; each change is reported once."""
    server = Server()
    server.fail(20)
    await asyncio.gather(*(server.circuit.wait_until_allowed() for _ in range(10)))
    server.circuit.record_success()
    pauses = [
        after - before for before, after in zip([0.0, *server.probes], server.probes, strict=False)
    ]
    assert pauses == [15.0, 30.0, 60.0, 120.0, 240.0]
    assert server.told == [Opened("busy", 15.0, ErrorCode.NET_BROKEN), Closed(465.0)]
    assert not server.circuit.is_open


async def test_a_server_that_only_answers_probes_is_not_well() -> None:
    """Requests that fail after a good probe open it again, and nothing more is reported of that."""
    server = Server()
    server.well = True
    for _ in range(4):
        server.fail(5)
        assert server.circuit.is_open
        await server.circuit.wait_until_allowed()
    assert server.probes == [15.0, 30.0, 45.0, 60.0]
    assert server.told == [Opened("busy", 15.0, ErrorCode.NET_BROKEN)]
    server.circuit.record_success()
    assert server.told[1:] == [Closed(60.0)]


async def test_the_pause_has_a_limit() -> None:
    """However long the server is unwell, it is probed four times an hour."""
    server = Server()
    server.fail(5)
    server.circuit._failed_probes = 6
    await server.circuit.wait_until_allowed()
    assert server.probes[-1] - server.probes[-2] == 900.0


async def test_a_server_that_asks_for_time_gets_it() -> None:
    """One answer with Retry-After holds everybody for as long as it says."""
    server = Server()
    server.well = True
    server.fail(1, TransientError("busy", retry_after=77.0))
    await server.circuit.wait_until_allowed()
    assert server.probes == [77.0]


async def test_no_server_can_ask_for_ever() -> None:
    """A wait that is longer than a day is a mistake, and a day is waited."""
    server = Server()
    server.well = True
    server.fail(1, TransientError("busy", retry_after=float("inf")))
    await server.circuit.wait_until_allowed()
    assert server.probes == [86_400.0]


async def test_patience_ends() -> None:
    """A caller that cannot wait that long gets an error at once; the server is not asked."""
    server = Server(patience=10.0)
    server.fail(5)
    with pytest.raises(TransientError, match="sent to the server for now: busy"):
        await server.circuit.wait_until_allowed()
    assert (server.now, server.probes) == (0.0, [])


async def test_a_cancelled_prober_leaves_the_probe_to_another() -> None:
    """When the one who probes is cancelled, the next one waiting probes instead."""
    server = Server()
    server.well = True
    server.fail(5)
    first = asyncio.create_task(server.circuit.wait_until_allowed())
    second = asyncio.create_task(server.circuit.wait_until_allowed())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled() or first.done()
    assert not server.circuit.is_open
