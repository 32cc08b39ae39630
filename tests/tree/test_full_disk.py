"""Disks that are full or fail: nothing half done, space given back, and an error with a remedy."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.disks import as_root, fill, fill_inodes, mounted, write_for_ever
from support.makers import evidence, path_of
from support.publisher import SECOND
from support.trees import STACK, published, put, staged, target

from winter_sync.core.errors import StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.tree.publishing import Session


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a mounted file system of a few megabytes."""
    with mounted(request.param, tmp_path) as disk:
        yield disk


@pytest.fixture
def full_tree(small_disk: Path) -> Iterator[tuple[Tree, Session, Path]]:
    """Yield a tree and a session on a small disk, with the directory of the product made."""
    tree = Tree(small_disk / "winter")
    tree.prepare("mirror")
    with tree.session("session") as session:
        put(session, b"one")
        session.forget_journal("batch")
        yield tree, session, small_disk


def check_nothing_happened(tree: Tree, session: Session, content: bytes = b"one") -> None:
    """Check that the published file is as it was, and that nothing was left in the staging."""
    assert published(tree) == [path_of(STACK)]
    assert target(tree).read_bytes() == content
    assert not [name for name in staged(tree) if name.endswith(".part")]
    assert [
        found for found in session.recover_evidence("batch") if found.savepath != STACK.savepath
    ] == []


@pytest.mark.fault(
    kind="a disk without room for another file, when one is opened",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published",
)
def test_full_when_a_part_is_opened(full_tree: tuple[Tree, Session, Path]) -> None:
    """Where no file can be made, staging says so and leaves nothing."""
    tree, session, disk = full_tree
    fill_inodes(disk)
    with pytest.raises(StorageError, match="No space left") as full:
        session.stage()
    assert "Free some space" in full.value.remedy
    check_nothing_happened(tree, session)


@pytest.mark.fault(
    kind="a disk that is full in the middle of a file",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published; nothing of the half file",
)
def test_full_in_the_middle_of_a_file(full_tree: tuple[Tree, Session, Path]) -> None:
    """A file for which there is no space half-way is abandoned, and its space released."""
    tree, session, _ = full_tree
    before = tree.space.free()
    with pytest.raises(StorageError, match="No space left"), session.stage() as part:
        write_for_ever(part.write, bytes(100_000))
    check_nothing_happened(tree, session)
    assert tree.space.free() == before


@pytest.mark.fault(
    kind="a disk without room for the directory of a night",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published",
)
def test_full_when_the_directory_is_made(full_tree: tuple[Tree, Session, Path]) -> None:
    """A night that cannot be made keeps its product out, until there is space."""
    tree, session, disk = full_tree
    content = bytes(20_000)
    with session.stage() as part:
        part.write(content)
        (fill_inodes if _is_tmpfs(disk) else fill)(disk)
        with pytest.raises(StorageError, match="No space left"):
            session.publish(part, evidence(SECOND, content), batch="batch", keep=True)
    check_nothing_happened(tree, session)


def _is_tmpfs(disk: Path) -> bool:
    return f"{disk} tmpfs" in Path("/proc/mounts").read_text()


@pytest.mark.fault(
    kind="a disk that is full when a publication is journalled",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published, the older revision too",
)
def test_full_when_evidence_is_written(full_tree: tuple[Tree, Session, Path]) -> None:
    """Without space for the journal nothing is renamed; with space again, the next succeeds."""
    tree, session, disk = full_tree
    with session.stage() as part:
        part.write(b"two")
        ballast = fill(disk)
        with pytest.raises(StorageError, match="No space left"):
            session.publish(part, evidence(STACK, b"two"), batch="batch", keep=False)
    check_nothing_happened(tree, session)
    ballast.unlink()
    put(session, b"three")
    check_nothing_happened(tree, session, b"three")
    assert session.recover_evidence("batch") == [
        replace(
            evidence(STACK, b"three"),
            kept=f"{STATE_DIR}/revisions/{path_of(STACK)[:-5]}.1.fits",
        )
    ]
    session.forget_journal("batch")


@pytest.mark.fault(
    kind="a disk that refuses only at fsync or at rename (full, over quota, failing)",
    injected="(the system call fails)",
    outcome="as above, with the remedy for each",
    kept="all that was published, the older revision too",
)
@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_refuses_late(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """A disk that takes the bytes and refuses the sync or the rename publishes nothing.

    Network file systems tell a full disk only then; a local one has no way to be made to.
    """
    put(session, b"one")
    session.forget_journal("batch")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StorageError, match=os.strerror(code)):
            put(session, b"two")
    check_nothing_happened(tree, session)


def test_a_file_system_that_became_read_only(small_disk: Path) -> None:
    """On a read-only file system every step says so; what is there can still be read."""
    tree = Tree(small_disk / "winter")
    tree.prepare("mirror")
    with tree.session("session") as session:
        held = put(session, b"content")
    as_root(["mount", "-o", "remount,ro", str(small_disk)])
    begin = tree.session("next")
    for step in (lambda: tree.prepare("mirror"), begin.__enter__, tree.sessions.take_over_dead):
        with pytest.raises(StorageError, match="Read-only file system") as refused:
            step()
        assert "remount" in refused.value.remedy
    assert tree.name == "mirror"
    assert tree.holds(held)


def test_a_directory_on_another_disk_is_reported(small_disk: Path, tmp_path: Path) -> None:
    """A night that is a link to another file system is refused with the reason."""
    tree = Tree(tmp_path / "winter", follow_links=True)
    tree.prepare("mirror")
    target(tree).parent.parent.mkdir(parents=True)
    target(tree).parent.symlink_to(small_disk)
    with tree.session("session") as session:
        with pytest.raises(StorageError, match="cross-device") as refused:
            put(session, b"content")
        session.forget_journal("batch")
    assert "one file system" in refused.value.remedy
    assert staged(tree) == []
