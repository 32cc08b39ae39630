"""The process that reads headers, from outside: begun when needed, given up when stuck."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Self

from winter_sync.core import (
    ErrorCode,
    WinterSyncError,
    background_command,
    background_environment,
)
from winter_sync.formats import facts_without_file
from winter_sync.maintenance.facts_messages import (
    NO_ASTROPY,
    READY,
    Read,
    read_answer,
    write_request,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from winter_sync.catalog import Held

_PATIENCE = 60.0
"""Seconds with one file, after which the process ends itself."""
_GRACE = 30.0
"""Seconds after which it is killed, if it could not even do that."""
_START = 120.0
"""Seconds in which it must be ready: a loaded machine needs five."""
_REAP = 5.0
_LONGEST_LINE = 16 * 1024 * 1024
_PIECE = 64 * 1024
_TRIES = 2
"""A process may end for reasons of its own: only a file that ends two is to blame."""


class HeadersNotReadError(WinterSyncError):
    """The process that reads headers cannot be started."""

    usual_code = ErrorCode.FILE_HEADERS


class StoppedError(Exception):
    """`HeaderProcess.stop` was called."""


class _EndedError(Exception):
    """The process ended, and how."""


class HeaderProcess:
    """Reads files in a process of its own.

    All methods but `stop` belong to one thread. Use as a context manager, which ends the process.

    Parameters
    ----------
    root
        The top of the tree.
    follow_links
        Whether directories of the tree may be links.
    patience
        Seconds that one file may take.
    """

    def __init__(
        self, root: Path, *, follow_links: bool = False, patience: float = _PATIENCE
    ) -> None:
        self._arguments = (str(root), "1" if follow_links else "0", str(patience))
        self._patience = patience + _GRACE
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._received = bytearray()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    def read_all(self, files: Sequence[Held]) -> list[tuple[Held, Read]]:
        """Return what files say; without those that cannot be opened, or after `stop`.

        Raises
        ------
        HeadersNotReadError
            If the process cannot be started, or has no astropy for an image that needs it.
        """
        read: list[tuple[Held, Read]] = []
        with suppress(StoppedError):
            answers = self._read_together(files)
            for number, held in enumerate(files):
                found = answers[number] if number < len(answers) else self.read(held)
                read += [] if found is None else [(held, found)]
        return read

    def _read_together(self, files: Sequence[Held]) -> list[Read | None]:
        """Return what files say, up to the one with which the process ended, if it did.

        Which one that was is not known: the others are to be read one by one.
        """
        answers: list[Read | None] = []
        with suppress(_EndedError):
            if self._process is None:
                self._start()
            for answer in self._answers(files):
                answers.append(answer)  # noqa: PERF402 - those before an error are kept
        return answers

    def read(self, held: Held) -> Read | None:
        """Return what a file says; None if it cannot be opened.

        Raises
        ------
        HeadersNotReadError, StoppedError
            If the process cannot be started, or has no astropy; if it was stopped.
        """
        how = ""
        for _ in range(_TRIES):
            if self._process is None:
                self._start()
            try:
                (answer,) = self._answers([held])
            except _EndedError as ended:
                how = str(ended)
            else:
                return answer
        return Read(facts_without_file(held.product, f"reading it {how}"))

    def stop(self) -> None:
        """End the process at once, and begin no other; from any thread."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the process; the next file begins another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    # --- the process ---------------------------------------------------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._stopped:
                raise StoppedError
            self._received.clear()
            try:
                self._process = self._spawn()
            except OSError as failed:
                raise _not_started(failed.strerror or str(failed)) from None
        try:
            line = self._line(_START)
        except _EndedError as ended:
            raise _not_started(f"it {ended}") from None
        if line != READY:
            self.close()
            raise _not_started("it said something unexpected")

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own code
            background_command("winter_sync.maintenance.facts_worker", *self._arguments),
            env=background_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for us, and we end it.
            start_new_session=True,
        )

    def _answers(self, files: Sequence[Held]) -> Iterator[Read | None]:
        """Yield the answers about files; raise `_EndedError` where there is none."""
        process = self._process
        if process is None or process.stdin is None:
            raise _EndedError("ended the process")
        try:
            process.stdin.write(write_request(files))
            process.stdin.flush()
        except OSError:
            self._raise_ended(process)
        for _ in files:
            try:
                answer = read_answer(self._line(self._patience))
            except (ValueError, KeyError, TypeError, RecursionError):
                self.close()
                raise _EndedError("gave no answer") from None
            yield answer

    def _line(self, patience: float) -> bytes:
        """Return the next line of the process; raise `_EndedError` if there is none in time."""
        process = self._process
        if process is None or process.stdout is None:
            raise _EndedError("ended the process")
        until = time.monotonic() + patience
        while b"\n" not in self._received:
            if not _is_readable(process.stdout.fileno(), until - time.monotonic()):
                self.close()
                raise _EndedError("took too long")
            piece = os.read(process.stdout.fileno(), _PIECE)
            if not piece or len(self._received) > _LONGEST_LINE:
                self._raise_ended(process)
            self._received += piece
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return line + b"\n"

    def _raise_ended(self, process: subprocess.Popen[bytes]) -> NoReturn:
        self.close()
        if self._stopped:
            raise StoppedError
        if process.returncode == NO_ASTROPY:
            raise _not_read("astropy, which it needs, cannot be loaded")
        raise _EndedError(_how(process.returncode))


def _is_readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(max(0.0, seconds) * 1000.0))


def _how(code: int | None) -> str:
    if code is None:
        return "ended the process"
    if code == -14:  # noqa: PLR2004 - SIGALRM, its own
        return "took too long"
    return f"ended the process (signal {-code})" if code < 0 else f"ended the process ({code})"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process; one that even that does not end at once is left to the kernel."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP)


def _not_started(why: str) -> HeadersNotReadError:
    return _not_read(f"the process for that cannot be started: {why}")


def _not_read(why: str) -> HeadersNotReadError:
    return HeadersNotReadError(
        f"headers of images cannot be read: {why}",
        remedy="Run `python -c 'import astropy.wcs'` with the Python of winter-sync. Images are "
        "downloaded all the same; `[facts] enabled = false` turns this off.",
        code=ErrorCode.FILE_HEADERS,
    )
