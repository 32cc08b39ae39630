"""One daemon for a root, however it ends and whatever is written in the lock file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.errors import StorageError, UsageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.daemon.lock import check_root_is_free, root_lock

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
        first = r"process \d+ on .*, since 2026-03-28 12:00:00 UTC"
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
