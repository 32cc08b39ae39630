"""One daemon for a root: the first holds a lock, and a second reports who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import (
    STATE_DIR,
    ErrorCode,
    UsageError,
    closing_descriptor,
    is_there,
    open_directory,
    open_own_file,
    open_root_directory,
    storage_errors_explained,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_LOCK = "daemon.lock"
_LONGEST_HOLDER = 4096
_LONGEST_COMMAND = 500


@contextmanager
def root_lock(root: Path, since: datetime) -> Iterator[None]:
    """Hold the lock of a root: one daemon at a time, however it ends.

    The lock is the kernel's: it ends with its process, so no lock is ever left to be removed.

    Raises
    ------
    UsageError
        If another daemon holds it; the message says which.
    StorageError
        If the lock cannot be taken for another reason.
    """
    path = root / STATE_DIR / _LOCK
    with (
        storage_errors_explained(path),
        closing_descriptor(open_root_directory(root)) as top,
        closing_descriptor(open_directory(STATE_DIR, top, root / STATE_DIR, ours=True)) as ours,
    ):
        descriptor = open_own_file(path, os.O_RDWR | os.O_CREAT, ours)
    try:
        with storage_errors_explained(path):
            _lock(descriptor, root)
            _write_holder(descriptor, since)
        yield
    finally:
        os.close(descriptor)


def check_root_is_free(root: Path, since: datetime) -> None:
    """Raise as `root_lock` does if another daemon holds a root, which need not exist yet."""
    if is_there(root / STATE_DIR / _LOCK):
        with root_lock(root, since):
            pass


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"another daemon keeps the mirror in {root}: {_holder(descriptor)}",
            remedy="Stop that one first, or give this one another mirror.root. "
            "`sync` and `backfill` may run beside it.",
            code=ErrorCode.MIRROR_RUNNING,
        ) from None


def _write_holder(descriptor: int, since: datetime) -> None:
    """Write who holds the lock: for people, the lock itself needs nothing written."""
    holder = {
        "pid": os.getpid(),
        "command": _command(),
        "host": socket.gethostname(),
        "since": f"{since:%Y-%m-%d %H:%M:%S}",
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)


def _command() -> str:
    """Return how this process was called, less the directory of the program."""
    program = Path(sys.argv[0]).name.replace("__main__.py", "winter-sync")
    return shlex.join([program, *sys.argv[1:]])[:_LONGEST_COMMAND]


def daemon_of(root: Path) -> str | None:
    """Return which process keeps a mirror as its daemon now; None for none.

    The lock is not taken where the process that is noted is known to have ended: a daemon that
    starts at that moment would be refused.
    """
    try:
        descriptor = os.open(root / STATE_DIR / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with closing_descriptor(descriptor):
        if _has_ended(descriptor):
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(descriptor)
        except OSError:
            return None
    return None


def _has_ended(descriptor: int) -> bool:
    """Return whether the process that is noted was of this machine, and is no more."""
    try:
        holder = json.loads(os.pread(descriptor, _LONGEST_HOLDER, 0))
        if holder["host"] != socket.gethostname():
            return False
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return False
    return False


def _holder(descriptor: int) -> str:
    """Return who holds the lock, as far as the lock file can be read."""
    try:
        holder = json.loads(os.pread(descriptor, _LONGEST_HOLDER, 0))
        what = f" ({holder['command']})" if "command" in holder else ""
        return f"process {holder['pid']}{what} on {holder['host']}, since {holder['since']} UTC"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it has not said yet which process it is"
