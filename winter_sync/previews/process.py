"""The process that draws previews, from outside: begun when needed, ended when idle or stuck."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from winter_sync.core import background_command, background_environment
from winter_sync.previews.requests import READY, Drawn, Refused, read_head

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from winter_sync.previews.requests import Asked

PATIENCE = 15.0
"""Seconds with one picture, after which the process ends itself: the largest take half of one."""
_GRACE = 10.0
"""Seconds after which it is killed, if it could not even do that."""
_START = 60.0
"""Seconds in which it must be ready: a loaded machine needs five."""
_IDLE = 60.0
"""Seconds without a question after which it ends, and with it its 70 MB of memory."""
_LEAVE = 1.0
"""Seconds in which it ends by itself, if it is idle or has crashed."""
_REAP = 5.0
_FAILED = Refused("drawing it failed")
_NOT_STARTED = Refused("the process that draws cannot be started", is_lasting=False)


class _NotStartedError(Exception):
    """The process did not become ready."""


class DrawingProcess:
    """Draws pictures one after another in a process of its own. For one task at a time.

    Parameters
    ----------
    patience
        Seconds that one picture may take.
    idle
        Seconds without a question after which the process ends.
    """

    def __init__(self, patience: float = PATIENCE, idle: float = _IDLE) -> None:
        self._patience = patience
        self._idle = idle
        self._process: Process | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    async def draw(self, asked: Asked) -> Drawn | Refused:
        """Draw a picture, or return why there is none.

        A process may end for reasons of its own: only a file that ends two is to blame.
        """
        answer = await self._draw(asked)
        return await self._draw(asked) if answer is _FAILED else answer

    async def _draw(self, asked: Asked) -> Drawn | Refused:
        self._stay()
        try:
            process = self._process or await self._start()
            async with asyncio.timeout(self._patience + _GRACE):
                answer = await _ask(process, asked)
        except _NotStartedError:
            await self.close()
            return _NOT_STARTED
        except (TimeoutError, asyncio.IncompleteReadError, OSError, ValueError) as failed:
            return await self._explain(failed)
        except BaseException:
            await self.close()
            raise
        self._timer = asyncio.get_running_loop().call_later(self._idle, self._leave)
        return answer

    async def close(self) -> None:
        """End the process; the next picture begins another."""
        self._stay()
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        if self._ending is not None:
            await asyncio.wait([self._ending])
            self._ending = None

    async def _start(self) -> Process:
        try:
            self._process = process = await self._spawn()
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            async with asyncio.timeout(_START):
                line = await process.stdout.readline()
        except (TimeoutError, OSError, ValueError):
            raise _NotStartedError from None
        if line != READY:
            raise _NotStartedError
        return process

    async def _spawn(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *background_command("winter_sync.previews.worker", str(self._patience)),
            env=background_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C is for us, and we end it.
            start_new_session=True,
        )

    async def _explain(self, failed: Exception) -> Refused:
        """End the process, and return what was wrong with it."""
        process = self._process
        await self.close()
        took_too_long = process is not None and process.returncode == -signal.SIGALRM
        if took_too_long or isinstance(failed, TimeoutError):
            return Refused("drawing it takes too long")
        return _FAILED

    def _stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self) -> None:
        """End the process, which is idle."""
        process, self._process = self._process, None
        if process is not None:
            self._ending = asyncio.get_running_loop().create_task(_end(process))


async def _ask(process: Process, asked: Asked) -> Drawn | Refused:
    assert process.stdin is not None  # noqa: S101 - pipes were asked for
    assert process.stdout is not None  # noqa: S101 - the same
    process.stdin.write(asked.line)
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise asyncio.IncompleteReadError(line, None)
    head = read_head(line)
    if isinstance(head, Refused):
        return head
    picture, places = [await process.stdout.readexactly(size) for size in head]
    return Drawn(picture, places)


async def _end(process: Process) -> None:
    """End a process; one that even a kill does not end at once is left to the kernel."""
    if process.stdin is not None:
        process.stdin.close()
    # It ends with its input. Killed before its end was noticed, how it ended would be lost.
    if not await _has_ended(process, _LEAVE):
        with suppress(ProcessLookupError):
            process.kill()
        await _has_ended(process, _REAP)


async def _has_ended(process: Process, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()
    return process.returncode is not None
