"""Events to a command: JSON Lines on its standard input, within a time, in a small environment."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Self

from winter_sync.core import escape_unprintable, show_duration, write_all
from winter_sync.delivery.errors import NotDeliveredError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from winter_sync.core import OutboxEvent
    from winter_sync.delivery.sinks import Command

    Sleep = Callable[[float], Awaitable[None]]

_TO_TIDY_UP = 5.0
"""Seconds between asking a command that takes too long to end, and ending it."""
_TAIL = 2000
"""Bytes of the end of standard error that are kept."""
_SHOWN = 200
_AT_ONCE = 65536
_INHERITED = ("PATH", "HOME")


async def run_command(
    command: Command, events: Sequence[OutboxEvent], *, limit: timedelta, root: Path, sleep: Sleep
) -> None:
    """Run a command with events on its standard input, and wait for its end.

    It runs in the root of the mirror, in a process group of its own. Its standard output is
    discarded. What it leaves running when it ends well is left alone.

    Parameters
    ----------
    command
        What to run.
    events
        A line of JSON each.
    limit
        After this long it is asked to end, with all that it started, and killed soon after.
    root
        The root of the mirror.
    sleep
        How to wait.

    Raises
    ------
    NotDeliveredError
        If it cannot be run, does not end in time, or ends with another code than 0.
    """
    with ExitStack() as open_until_end:
        try:
            lines = open_until_end.enter_context(_as_lines(events))
            errors = open_until_end.enter_context(_Tail())
        except OSError as failed:
            raise NotDeliveredError(f"its input cannot be written: {failed.strerror}") from None
        try:
            process = await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=lines,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors.inlet,
                cwd=root,
                env=environment(os.environ, root),
                start_new_session=True,
            )
        except OSError as failed:
            raise NotDeliveredError(_not_run(command, root, failed)) from None
        errors.close_inlet()
        await _wait_within(process, limit, sleep)
        if process.returncode:
            raise NotDeliveredError(_how_it_ended(process.returncode, errors.last_line()))


@contextmanager
def _as_lines(events: Sequence[OutboxEvent]) -> Iterator[IO[bytes]]:
    """Write events to a file without a name, to be read from its beginning.

    A file, not a pipe: a command need not read it, and whatever it starts may keep it open.
    """
    with TemporaryFile(buffering=0) as lines:
        write_all(lines.fileno(), "".join(f"{event.json}\n" for event in events).encode())
        lines.seek(0)
        yield lines


def environment(ours: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return the whole environment of a command: nothing in it is a secret of ours."""
    inherited = {name: ours[name] for name in _INHERITED if ours.get(name)}
    return {
        "PATH": os.defpath,
        **inherited,
        "LANG": "C.UTF-8",
        "WINTER_SYNC_MIRROR__ROOT": str(root),
    }


async def _wait_within(process: Process, limit: timedelta, sleep: Sleep) -> None:
    """Wait until a process ends; whatever else ends the wait ends its group."""
    ended = asyncio.create_task(process.wait())
    try:
        if not await _ends_within(ended, limit.total_seconds(), sleep):
            _signal(process, signal.SIGTERM)
            await _ends_within(ended, _TO_TIDY_UP, sleep)
            _signal(process, signal.SIGKILL)
            await ended
            shown = show_duration(limit.total_seconds())
            raise NotDeliveredError(f"it did not end within {shown} and was killed")
    except asyncio.CancelledError:
        _signal(process, signal.SIGKILL)
        raise
    finally:
        ended.cancel()


async def _ends_within(ended: asyncio.Task[int], seconds: float, sleep: Sleep) -> bool:
    timer = asyncio.ensure_future(_sleep(sleep, seconds))
    try:
        await asyncio.wait({ended, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return ended.done()


async def _sleep(sleep: Sleep, seconds: float) -> int:
    await sleep(seconds)
    return 0


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process and all that it started and that stayed in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _not_run(command: Command, root: Path, failed: OSError) -> str:
    if not root.is_dir():
        return f"the root of the mirror, {root}, is not there"
    return f"{command.arguments[0]} cannot be run: {failed.strerror}"


def _how_it_ended(code: int, said: str) -> str:
    how = f"it was killed by signal {-code}" if code < 0 else f"it ended with code {code}"
    return f"{how}: {said}" if said else how


class _Tail:
    """The end of what a command writes to standard error, however much it is.

    Read as it is written, and no more when the command has ended: what it started may go on.
    """

    def __init__(self) -> None:
        self._outlet, self.inlet = os.pipe()
        self._is_inlet_open = True
        self._tail = b""

    def __enter__(self) -> Self:
        os.set_blocking(self._outlet, False)
        asyncio.get_running_loop().add_reader(self._outlet, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._outlet)
        os.close(self._outlet)
        self.close_inlet()

    def close_inlet(self) -> None:
        """Close our copy of the end to write to."""
        if self._is_inlet_open:
            self._is_inlet_open = False
            os.close(self.inlet)

    def last_line(self) -> str:
        """Return the last line of it that is not empty, for people."""
        self._read()
        lines = [line for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return escape_unprintable(lines[-1].strip())[:_SHOWN] if lines else ""

    def _read(self) -> None:
        with suppress(BlockingIOError):
            block = os.read(self._outlet, _AT_ONCE)
            self._tail = (self._tail + block)[-_TAIL:]
            if not block:
                asyncio.get_running_loop().remove_reader(self._outlet)
