"""What the program does, counted: calls, statements, steps of the database, files and bytes.

Unlike time, counts do not vary with how busy a machine is. Calls are those that a thread of the
program makes, Python's and C's, whoever wrote the function; on the event loop, which a test's own
server shares, only those that the program's own functions make or are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import winter_sync

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from types import FrameType

_OURS = str(Path(winter_sync.__file__).parent) + os.sep
_SYSTEM_CALLS = {
    "open": "files opened",
    "fsync": "fsyncs",
    "fdatasync": "fsyncs",
    "rename": "renames",
    "write": "writes",
    "pwrite": "writes",
    "stat": "stats",
    "lstat": "stats",
    "fstat": "stats",
    "statvfs": "stats",
}
"""Functions of `os`, and what they are counted as."""


@dataclass
class Work:
    """What was counted."""

    calls: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    """Of the functions of `os` that are system calls."""
    statements: int = 0
    steps: int = 0
    """Instructions of SQLite's virtual machine."""
    written: int = 0
    """Bytes passed to write(2) and its kin, by anyone in this process."""
    names: Counter[str] = field(default_factory=Counter)
    """Calls by function, to find what grew."""

    def figures(self) -> dict[str, int]:
        """Return every count by its name."""
        return {
            "calls": self.calls,
            "statements": self.statements,
            "database steps": self.steps,
            "bytes written": self.written,
            **{name: self.by_name[name] for name in sorted(set(_SYSTEM_CALLS.values()))},
        }


_STEPS = 20
"""As many instructions are counted together; one by one would take long."""
_UNCOUNTED = frozenset({"Counting._count_statement", "Counting._count_steps"})


class Counting:
    """Counts the work of threads that are started within it, and of databases given to it."""

    def __init__(self) -> None:
        self._work: Work | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Count in this thread and in all that are started until the end."""
        threading.setprofile(self._profile_thread)
        sys.setprofile(self._profile_loop)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def watch(self, database: sqlite3.Connection) -> None:
        """Count the statements of a connection; call it in its thread."""
        database.set_trace_callback(self._count_statement)
        database.set_progress_handler(self._count_steps, _STEPS)

    @contextmanager
    def counted(self) -> Iterator[Work]:
        """Count what is done within it."""
        work = self._work = Work()
        written = _written()
        try:
            yield work
        finally:
            self._work = None
            work.written = _written() - written

    def _profile_thread(self, frame: FrameType, event: str, argument: object) -> None:
        if self._work is not None:
            _count(self._work, frame, event, argument)

    def _profile_loop(self, frame: FrameType, event: str, argument: object) -> None:
        if self._work is not None and frame.f_code.co_filename.startswith(_OURS):
            _count(self._work, frame, event, argument)

    def _count_statement(self, _: str) -> None:
        if self._work is not None:
            self._work.statements += 1

    def _count_steps(self) -> int:
        if self._work is not None:
            self._work.steps += _STEPS
        return 0


def _count(work: Work, frame: FrameType, event: str, argument: object) -> None:
    if event == "call" and (name := frame.f_code.co_qualname) not in _UNCOUNTED:
        work.calls += 1
        work.names[name] += 1
    elif event == "c_call":
        work.calls += 1
        name = getattr(argument, "__name__", "")
        work.names[name] += 1
        if getattr(argument, "__module__", None) == "posix" and name in _SYSTEM_CALLS:
            work.by_name[_SYSTEM_CALLS[name]] += 1


def _written() -> int:
    """Return the bytes that this process has written (proc(5), io)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
