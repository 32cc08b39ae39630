"""Whether one file is still what was published: by its `lstat`, or read in full."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.makers import fits, path_of, product, sha256

from winter_sync.catalog.records import Check, Held
from winter_sync.core.nofollow import TreeFiles
from winter_sync.core.products import Damage
from winter_sync.sync.file_check import (
    Examination,
    FileFinding,
    Throttle,
    stat_file,
    stat_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = fits(1)
SECOND = 1_000_000_000
MTIME = 1_700_000_001 * SECOND + 123_456_789
STACK, OTHER = product(0), product(1)
NO_FILE = "there is no such file"
LINK = "this is a symbolic link, followed only with `follow_links = true` under [mirror]"


def published(root: Path, number: int = 0) -> Held:
    """Put a file into a tree; return what the catalog has of it."""
    one = product(number)
    path = root / path_of(one)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    os.utime(path, ns=(MTIME, MTIME))
    return Held(one, path_of(one), len(CONTENT), sha256(CONTENT), MTIME, "", "")


def quickly(root: Path, held: Held) -> FileFinding:
    """Check a file by its `lstat`."""
    with TreeFiles(root) as files:
        return stat_file(files, held)


def in_full(root: Path, held: Held, piece: int = 1000, *, follow: bool = False) -> FileFinding:
    """Read a file in pieces; all of them together have its size."""
    options = {"follow_links": True} if follow else {}
    with Examination(root, held, bytearray(piece), **options) as examination:
        sizes = []
        while size := examination.step():
            sizes.append(size)
        assert all(size <= piece for size in sizes)
        assert sum(sizes) == examination.seen.size
        return examination.seen


CHECKS = pytest.mark.parametrize("check", [quickly, in_full])


@pytest.mark.parametrize("piece", [1, 1000, len(CONTENT), 10**6])
def test_a_file_that_is_right_is_right(tmp_path: Path, piece: int) -> None:
    """Read in whatever pieces; its modification time is told, as it may not be known yet."""
    held = published(tmp_path)
    assert quickly(tmp_path, held) == FileFinding(Check(held))
    assert in_full(tmp_path, held, piece) == FileFinding(
        Check(held, mtime_ns=MTIME), size=len(CONTENT)
    )


@CHECKS
def test_a_file_that_is_gone_is_missing(
    tmp_path: Path, check: Callable[[Path, Held], FileFinding]
) -> None:
    """Also where a directory of it is gone, or a file in its place."""
    held = published(tmp_path)
    path = tmp_path / held.path
    missing = FileFinding(Check(held, Damage.MISSING, NO_FILE))
    path.unlink()
    assert check(tmp_path, held) == missing
    path.parent.rmdir()
    assert check(tmp_path, held) == missing
    path.parent.write_bytes(b"")
    assert check(tmp_path, held) == missing


@CHECKS
def test_a_file_of_another_size_is_changed(
    tmp_path: Path, check: Callable[[Path, Held], FileFinding]
) -> None:
    """Both sizes are said; it is not read."""
    held = published(tmp_path)
    (tmp_path / held.path).write_bytes(b"four")
    reason = f"it has 4 bytes instead of {len(CONTENT)}"
    assert check(tmp_path, held) == FileFinding(Check(held, Damage.CHANGED, reason))


@CHECKS
@pytest.mark.parametrize("kind", ["directory", "pipe", "socket", "link"])
def test_what_is_no_file_is_changed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, Held], FileFinding],
    kind: str,
) -> None:
    """What has the name instead is said; nothing is read of it, and nothing waits for it."""
    held = published(tmp_path)
    path = tmp_path / held.path
    path.unlink()
    monkeypatch.chdir(path.parent)
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        case _:
            path.symlink_to("elsewhere")
    found = check(tmp_path, held)
    assert found.check.damage is Damage.CHANGED
    assert found.check.reason is not None
    assert found.check.reason.endswith(" has its name")
    assert kind in found.check.reason
    assert found == FileFinding(Check(held, Damage.CHANGED, found.check.reason))


@CHECKS
def test_what_is_behind_a_link_is_not_read(
    tmp_path: Path, check: Callable[[Path, Held], FileFinding]
) -> None:
    """Unless links are followed, a directory that is one is named, with the setting."""
    held = published(tmp_path)
    night = (tmp_path / held.path).parent.parent
    night.rename(tmp_path / "elsewhere")
    night.symlink_to(tmp_path / "elsewhere")
    found = check(tmp_path, held)
    assert found.unreadable is not None
    assert found.unreadable.endswith(LINK)
    assert found.unreadable.startswith(str(night))
    assert found == FileFinding(Check(held), unreadable=found.unreadable)
    assert in_full(tmp_path, held, follow=True).check.mtime_ns == MTIME
    assert stat_files(tmp_path, [held], follow_links=True) == []
    assert stat_files(tmp_path, [held]) != []


@CHECKS
def test_a_name_that_no_file_can_have_is_unreadable(
    tmp_path: Path, check: Callable[[Path, Held], FileFinding]
) -> None:
    """In the words of the system."""
    held = replace(published(tmp_path), path="x" * 300)
    assert check(tmp_path, held) == FileFinding(
        Check(held), unreadable=os.strerror(errno.ENAMETOOLONG)
    )


# --- modification times --------------------------------------------------------------------------


def test_a_modified_file_is_changed_for_a_quick_check(tmp_path: Path) -> None:
    """Read in full it is right, if its content is."""
    held = published(tmp_path)
    os.utime(tmp_path / held.path, ns=(MTIME + 1, MTIME + 1))
    reason = "it was modified after it was downloaded"
    assert quickly(tmp_path, held) == FileFinding(Check(held, Damage.CHANGED, reason))
    assert in_full(tmp_path, held) == FileFinding(
        Check(held, mtime_ns=MTIME + 1), size=len(CONTENT)
    )
    unknown = replace(held, mtime_ns=None)
    assert quickly(tmp_path, unknown) == FileFinding(Check(unknown))


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (MTIME // SECOND * SECOND, True),
        (MTIME // SECOND * SECOND - SECOND, True),
        (MTIME // SECOND * SECOND + 2 * SECOND, True),
        (MTIME // SECOND * SECOND - 2 * SECOND, False),
        (MTIME // SECOND * SECOND + 3 * SECOND, False),
        (MTIME // SECOND * SECOND + 1, False),
    ],
)
def test_a_file_system_may_keep_whole_seconds(tmp_path: Path, found: int, *, same: bool) -> None:
    """Or every other of them: a time is rounded then, and never by two seconds."""
    held = published(tmp_path)
    os.utime(tmp_path / held.path, ns=(found, found))
    assert (quickly(tmp_path, held).check.damage is None) is same


def test_a_time_is_never_two_whole_seconds_off(tmp_path: Path) -> None:
    """Then it is another one."""
    held = replace(published(tmp_path), mtime_ns=MTIME // SECOND * SECOND)
    os.utime(tmp_path / held.path, ns=(MTIME // SECOND * SECOND + 2 * SECOND,) * 2)
    assert quickly(tmp_path, held).check.damage is Damage.CHANGED


# --- several files -------------------------------------------------------------------------------


def test_only_news_of_files_is_told(tmp_path: Path) -> None:
    """What is wrong, what cannot be read, and what was missing and is there again."""
    right, gone, back, wrong, odd = (published(tmp_path, number) for number in range(5))
    (tmp_path / gone.path).unlink()
    back = replace(back, damage=Damage.MISSING)
    wrong = replace(wrong, damage=Damage.CHANGED)
    odd = replace(odd, path="x" * 300)
    assert stat_files(tmp_path, [right, gone, back, wrong, odd]) == [
        FileFinding(Check(gone, Damage.MISSING, NO_FILE)),
        FileFinding(Check(back)),
        FileFinding(Check(odd), unreadable=os.strerror(errno.ENAMETOOLONG)),
    ]


# --- read in full --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "structure"),
    [
        (fits(2), ""),
        (b"junk" + fits(1)[4:], "; it is not what its name says"),
        (b"x" * len(CONTENT), "; it is not what its name says"),
    ],
)
def test_another_content_is_changed(tmp_path: Path, content: bytes, structure: str) -> None:
    """Its digest says so; what is wrong with its structure is said besides."""
    held = published(tmp_path)
    (tmp_path / held.path).write_bytes(content)
    reason = f"its content is not what was downloaded (SHA-256){structure}"
    assert in_full(tmp_path, held) == FileFinding(
        Check(held, Damage.CHANGED, reason), size=len(CONTENT)
    )


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"Obj\x01", "it is not what its name says"),
        (CONTENT[:-4000], "it is cut short"),
        (CONTENT + b"junk", "something follows its end"),
        (CONTENT[:80] + b"BITPIX  =  what".ljust(80) + CONTENT[160:], "its structure is broken"),
        (fits(1, cards=["DATASUM = '12345   '"]), None),
    ],
)
def test_an_odd_file_that_is_what_was_published_is_right(
    tmp_path: Path, content: bytes, note: str | None
) -> None:
    """What is odd about it is a note; sums within it say nothing more than its digest."""
    held = replace(published(tmp_path), size=len(content), sha256=sha256(content))
    path = tmp_path / held.path
    path.write_bytes(content)
    mtime = path.stat().st_mtime_ns
    assert in_full(tmp_path, held) == FileFinding(
        Check(held, mtime_ns=mtime), note=note, size=len(content)
    )


def test_a_file_that_is_deleted_while_it_is_read_is_missing(tmp_path: Path) -> None:
    """If another one has its name by then, what was read still counts."""
    held = published(tmp_path)
    path = tmp_path / held.path
    for replaced in (False, True):
        with Examination(tmp_path, held, bytearray(100)) as examination:
            assert examination.step() == 100
            path.unlink()
            if replaced:
                path.write_bytes(b"another")
            while examination.step():
                pass
            seen = examination.seen
        expected = Check(held, mtime_ns=MTIME)
        if not replaced:
            expected = Check(held, Damage.MISSING, NO_FILE)
            published(tmp_path)
        assert seen == FileFinding(expected, size=len(CONTENT))


@pytest.mark.parametrize("call", ["readv", "pread"])
def test_a_disk_that_fails_is_a_result_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A file that cannot be read is unreadable; only its structure, a note."""
    held = published(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, refuse)
    words = os.strerror(errno.EIO)
    if call == "readv":
        assert in_full(tmp_path, held) == FileFinding(Check(held), unreadable=words)
    else:
        note = f"its structure could not be read: {words}"
        assert in_full(tmp_path, held) == FileFinding(
            Check(held, mtime_ns=MTIME), note=note, size=len(CONTENT)
        )


def test_a_file_is_closed_once(tmp_path: Path) -> None:
    """However often that is asked for."""
    examination = Examination(tmp_path, published(tmp_path), bytearray(10))
    number = examination._descriptor
    examination.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    assert examination._descriptor < 0
    examination.close()


def test_a_disk_that_fails_after_a_file_was_read_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read counts; that nothing more could be said is a note."""
    held = published(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Examination(tmp_path, held, bytearray(10**6)) as examination:
        while examination.step():
            pass
        with monkeypatch.context() as patch:
            patch.setattr(os, "fstat", refuse)
            seen = examination.seen
    note = f"its structure could not be read: {os.strerror(errno.EIO)}"
    assert seen == FileFinding(Check(held, mtime_ns=MTIME), note=note, size=len(CONTENT))


@pytest.mark.parametrize(
    ("error", "removed", "unreadable"),
    [
        (OSError(errno.EIO, "the disk is gone"), False, "the disk is gone"),
        (OSError("it is odd"), False, "it is odd"),
        (OSError(errno.ENXIO, "no such device"), False, None),
        (OSError(errno.ENXIO, "no such device"), True, None),
    ],
)
def test_a_file_that_cannot_be_opened_is_what_it_is_a_moment_later(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    unreadable: str | None,
    *,
    removed: bool,
) -> None:
    """Where it seemed to be no regular file; else it could not be read."""
    held = published(tmp_path)
    path, opening = tmp_path / held.path, os.open
    os.utime(path, ns=(MTIME + 1, MTIME + 1))

    def refuse(name: str, *arguments: Any, **options: Any) -> int:  # noqa: ANN401 - as os.open
        if not str(name).endswith(path.name):
            return opening(name, *arguments, **options)
        if removed:
            path.unlink()
        raise error

    monkeypatch.setattr(os, "open", refuse)
    check = Check(held, Damage.MISSING, NO_FILE) if removed else Check(held)
    assert in_full(tmp_path, held) == FileFinding(check, unreadable=unreadable)


# --- the rate ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100)), max_size=20))
def test_reading_keeps_to_its_rate(reads: list[tuple[int, float]]) -> None:
    """Whoever waits as long as told reads no faster; what was not used is not saved up."""
    now, free_at = [0.0], 0.0
    throttle = Throttle(1000, lambda: now[0])
    for size, later in reads:
        now[0] += later
        free_at = max(free_at, now[0]) + size / 1000
        assert throttle.delay(size) == free_at - now[0]


def test_without_a_rate_nobody_waits() -> None:
    """Reading goes as fast as it can."""
    assert Throttle(0, lambda: 7.0).delay(10**12) == 0.0
