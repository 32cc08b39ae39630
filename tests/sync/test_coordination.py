"""How polls and downloads wake each other, and how they end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from winter_sync.sync.coordination import Coordination

HOURS = timedelta(hours=9)
"""Longer than any test takes."""
_TURNS = 10


async def _settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def test_whoever_waits_is_woken_by_each_change() -> None:
    """A wait lasts until something changes, once for each change, and then says to go on."""
    coordination = Coordination()
    for _ in range(3):
        seen = coordination.changes
        waiting = [asyncio.create_task(coordination.wait_for_change(seen)) for _ in range(2)]
        await _settle()
        assert not any(task.done() for task in waiting)
        coordination.wake()
        assert await asyncio.gather(*waiting) == [True, True]
        assert coordination.changes == seen + 1


async def test_a_change_before_the_wait_is_not_missed() -> None:
    """What changed since it was last looked at ends a wait before it begins."""
    coordination = Coordination()
    seen = coordination.changes
    coordination.wake()
    coordination.wake()
    assert await coordination.wait_for_change(seen) is True


async def test_when_no_poll_can_bring_more_nobody_waits() -> None:
    """The end is a change as any other; after it there is nothing to wait for."""
    coordination = Coordination()
    waiting = asyncio.create_task(coordination.wait_for_change(coordination.changes))
    await _settle()
    coordination.end()
    assert await waiting is True
    assert not coordination.closed
    assert await coordination.wait_for_change(coordination.changes) is False


async def test_closing_ends_every_wait_and_lets_nothing_begin() -> None:
    """Also a pause, which no other change ends."""
    coordination = Coordination()
    seen = coordination.changes
    assert not coordination.closed
    waiting = asyncio.create_task(coordination.wait_for_change_within(seen, HOURS))
    pausing = asyncio.create_task(coordination.pause(HOURS))
    await _settle()
    assert not waiting.done()
    coordination.wake()
    await waiting
    await _settle()
    assert not pausing.done()
    waiting = asyncio.create_task(coordination.wait_for_change_within(coordination.changes, HOURS))
    await _settle()
    coordination.close()
    await asyncio.gather(waiting, pausing)
    assert coordination.closed


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(milliseconds=1)])
async def test_no_wait_is_longer_than_asked_for(wait: timedelta) -> None:
    """Where nothing changes, a wait and a pause end after the given time, without an error."""
    coordination = Coordination()
    await coordination.wait_for_change_within(coordination.changes, wait)
    await coordination.pause(wait)
    assert coordination.changes == 0
