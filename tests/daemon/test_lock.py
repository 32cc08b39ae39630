"""One daemon for a root, however it ends and whatever is written in the lock file."""

from __future__ import annotations

import fcntl
import json
import re
import socket
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.errors import StorageError, UsageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.daemon.lock import check_root_is_free, daemon_of, root_lock

if TYPE_CHECKING:
    from pathlib import Path

SINCE = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root that was prepared."""
    (tmp_path / STATE_DIR).mkdir()
    return tmp_path


def test_there_is_only_one(root: Path) -> None:
    """A second daemon reports the first, and can start when the first has ended."""
    with root_lock(root, SINCE):
        first = r"process \d+ \(\S+.*\) on .*, since 2026-03-28 12:00:00 UTC"
        with pytest.raises(UsageError, match=first), root_lock(root, SINCE):
            pass
        with pytest.raises(UsageError):
            check_root_is_free(root, SINCE)
    with root_lock(root, SINCE):
        pass


@pytest.mark.parametrize("note", [b"", b"{", b"\xff", b"[]", b'{"pid": 1}', b"[" * 4000])
def test_what_is_written_in_the_lock_does_not_matter(root: Path, note: bytes) -> None:
    """Only the lock itself counts; content that cannot be read does no harm."""
    lock = root / STATE_DIR / "daemon.lock"
    lock.write_bytes(note)
    check_root_is_free(root, SINCE)
    with root_lock(root, SINCE):
        lock.write_bytes(note)
        with pytest.raises(UsageError, match="has not said yet"):
            check_root_is_free(root, SINCE)


def test_a_root_that_is_not_there_has_no_daemon(tmp_path: Path) -> None:
    """The check creates nothing."""
    check_root_is_free(tmp_path / "winter", SINCE)
    assert not list(tmp_path.iterdir())


def test_a_lock_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """With the path, and what to do."""
    with pytest.raises(StorageError, match=r"\.winter-sync: No such"), root_lock(tmp_path, SINCE):
        pass


def test_who_keeps_a_root_is_named_as_long_as_it_does(root: Path) -> None:
    """Process, command, machine and time; nobody before, afterwards, and where no root is."""
    assert daemon_of(root) is None
    assert daemon_of(root / "nowhere") is None
    with root_lock(root, SINCE):
        named = daemon_of(root)
        assert named is not None
        assert re.fullmatch(r"process \d+ \(\S+.*\) on \S+, since 2026-03-28 12:00:00 UTC", named)
    assert daemon_of(root) is None
    with root_lock(root, SINCE):
        pass


def test_a_daemon_can_begin_while_somebody_asks_for_the_last_one(root: Path) -> None:
    """What is noted of a process that has ended is not looked into any further."""
    lock = root / STATE_DIR / "daemon.lock"
    ended = subprocess.Popen(["true"])  # noqa: S607 - coreutils
    ended.wait()
    lock.write_text(
        json.dumps({"pid": ended.pid, "host": socket.gethostname(), "since": "2026-03-28"})
    )
    with lock.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert daemon_of(root) is None
