"""Clocks, waiting and chance in one bundle, passed to all that need them: tests can drive it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def utc_now() -> datetime:
    """Return the current UTC time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Time:
    """The clocks, the waiting and the chance that a part of the program uses.

    `Time()` is this machine's.

    Attributes
    ----------
    clock
        Returns the current UTC time.
    monotonic
        Returns a time in seconds that never goes back.
    sleep
        Waits for a number of seconds.
    random
        Returns numbers in [0, 1), for spreading waits.
    """

    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


REAL_TIME = Time()
"""This machine's."""
