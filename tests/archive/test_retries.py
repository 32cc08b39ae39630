"""Retries: how many attempts a request gets before it is given up."""

from __future__ import annotations

import asyncio

import pytest

from winter_sync.archive.circuit_breaker import CircuitBreaker
from winter_sync.archive.retries import Retries
from winter_sync.core.clocks import Time
from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import TransientError

REFUSED = TransientError("connection refused", code=ErrorCode.NET_CONNECT)


async def attempts_at(error: TransientError, *, answered: bool) -> int:
    """Return how often a request is made that always fails, of a server that answers its probes."""
    made = 0

    async def ask() -> None:
        nonlocal made
        made += 1
        raise error

    async def no_wait(_: float) -> None:
        await asyncio.sleep(0)

    time = Time(monotonic=lambda: 0.0, sleep=no_wait, random=lambda: 0.5)
    circuit = CircuitBreaker(probe=lambda: no_wait(0), time=time, patience=1e9, emit=lambda _: None)
    if answered:
        circuit.record_success()
    with pytest.raises(TransientError) as raised:
        await Retries(circuit, time, lambda _: None).call("a query", ask)
    assert raised.value is error
    return made


@pytest.mark.parametrize(
    ("error", "answered", "attempts"),
    [
        (REFUSED, False, 4),
        (REFUSED, True, 16),
        (TransientError("an internal error"), True, 4),
    ],
)
async def test_a_request_that_always_fails_ends(
    error: TransientError, *, answered: bool, attempts: int
) -> None:
    """Soon; later only where a server that has answered before is away, as is left to probes."""
    assert await attempts_at(error, answered=answered) == attempts
