"""One daemon for a root: the first holds a lock, and a second is told who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.core import (
    STATE_DIR,
    UsageError,
    explained,
    is_there,
    open_directory,
    open_own,
    open_root,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

_LOCK = "daemon.lock"
_LONGEST_NOTE = 4096


@contextmanager
def root_lock(root: Path, since: datetime) -> Iterator[None]:
    """Be the only daemon of a root, as long as this lasts and whatever ends it.

    The lock is the kernel's: it goes with its process, so nothing is ever left to be removed.

    Raises
    ------
    UsageError
        If another daemon is; the message says which.
    StorageError
        If the lock cannot be had for another reason.
    """
    path = root / STATE_DIR / _LOCK
    with (
        explained(path),
        opened(open_root(root)) as top,
        opened(open_directory(STATE_DIR, top, root / STATE_DIR, ours=True)) as ours,
    ):
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT, ours)
    try:
        with explained(path):
            _lock(descriptor, root)
            _sign(descriptor, since)
        yield
    finally:
        os.close(descriptor)


def check_root_is_free(root: Path, since: datetime) -> None:
    """Raise as `root_lock` does if another daemon keeps a root, which need not be there yet."""
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
        ) from None


def _sign(descriptor: int, since: datetime) -> None:
    """Write down who holds the lock; for people, the lock itself needs nothing written."""
    note = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{since:%Y-%m-%d %H:%M:%S}"}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(note).encode() + b"\n", 0)


def _holder(descriptor: int) -> str:
    """Say who holds the lock, as far as what is written there can be read."""
    try:
        note = json.loads(os.pread(descriptor, _LONGEST_NOTE, 0))
        return f"process {note['pid']} on {note['host']}, since {note['since']} UTC"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it has not said yet which process it is"
