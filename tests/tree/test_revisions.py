"""Older revisions: kept by a link or a copy, numbered, and never absent for a reader."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest
from support.makers import path_of, sha256
from support.trees import STACK, Recorder, put, revisions, staged, target

from winter_sync.core.errors import StorageError
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.tree.publishing import Session


def test_an_older_revision_is_kept_and_named(tree: Tree, session: Session) -> None:
    """A replaced file stays among the revisions, and the evidence says under which name."""
    put(session, b"one")
    found = put(session, b"two")
    assert found.kept == f"{STATE_DIR}/revisions/{path_of(STACK).removesuffix('.fits')}.1.fits"
    assert (tree.root / found.kept).read_bytes() == b"one"
    assert target(tree).read_bytes() == b"two"


def test_revisions_are_numbered(tree: Tree, session: Session) -> None:
    """Each further revision takes the next number; none replaces another."""
    kept = [put(session, b"%d" % number).kept for number in range(5)]
    assert [name and name.split(".")[-2] for name in kept] == [None, "1", "2", "3", "4"]
    assert revisions(tree) == [b"0", b"1", b"2", b"3"]


def test_without_keeping_nothing_is_kept(tree: Tree, session: Session) -> None:
    """Where older revisions are not wanted, the new file simply takes the place of the old."""
    put(session, b"one")
    assert put(session, b"two", keep=False).kept is None
    assert target(tree).read_bytes() == b"two"
    assert revisions(tree) == []


def test_names_as_long_as_names_may_be_are_kept(tree: Tree, session: Session) -> None:
    """The number finds room in a name of 255 bytes, also where a character has several."""
    for name in ("x" * 250 + ".fits", "ä" * 125 + ".fits", "x" + "ä" * 124 + ".fits"):
        path = f"winter/20240130/final/{name}"
        put(session, b"one", path=path)
        kept = put(session, b"two", path=path).kept
        assert kept is not None
        assert kept.endswith(".1.fits")
        assert (tree.root / kept).read_bytes() == b"one"


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_a_person_put_there_is_kept(tree: Tree, session: Session, kind: str) -> None:
    """Whatever stands under a product's name, a file or a link, outlives its publication."""
    target(tree).parent.mkdir(parents=True)
    mine = tree.root.parent / "mine.fits"
    if kind == "file":
        target(tree).write_bytes(b"mine")
    else:
        target(tree).symlink_to(mine)
        if kind == "link":
            mine.write_bytes(b"mine")
    kept = tree.root / str(put(session, b"content").kept)
    assert target(tree).read_bytes() == b"content"
    assert not target(tree).is_symlink()
    assert kept.is_symlink() if kind == "dangling link" else kept.read_bytes() == b"mine"


NO_LINKS = [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV, errno.EACCES]


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int, *, looks: bool = True) -> None:
    """Make the file system one that gives no hard links, whether or not it looks first."""

    def link(source: str, target: str, *, dst_dir_fd: int, **_: object) -> None:
        if looks and target in os.listdir(dst_dir_fd):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
        raise OSError(code, os.strerror(code), source, None, target)

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("code", NO_LINKS, ids=errno.errorcode.get)
def test_without_hard_links_a_copy_is_kept(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Where a file can have no second name, a synced copy with its times is kept instead."""
    refuse_links(monkeypatch, code)
    put(session, b"one" * 1_000_000)
    os.utime(target(tree), (1_600_000_000, 1_600_000_000))
    calls = Recorder(monkeypatch)
    kept = tree.root / str(put(session, b"two").kept)
    assert kept.read_bytes() == b"one" * 1_000_000
    assert kept.stat().st_mtime == 1_600_000_000
    assert calls.at("fsync", "3.part") < calls.at("rename", "3.part") < calls.at("rename", "2.part")
    put(session, b"three")
    assert revisions(tree) == [b"one" * 1_000_000, b"two"]
    assert not [name for name in staged(tree) if name.endswith(".part")]


def test_a_link_is_kept_as_a_link_where_it_cannot_be_linked(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person put under a product's name is moved aside, and what it leads to not copied."""
    refuse_links(monkeypatch, errno.EPERM)
    mine = tree.root.parent / "mine.fits"
    mine.write_bytes(b"mine")
    target(tree).parent.mkdir(parents=True)
    target(tree).symlink_to(mine)
    kept = tree.root / str(put(session, b"content").kept)
    assert kept.readlink() == mine
    assert target(tree).read_bytes() == b"content"
    assert not target(tree).is_symlink()


@pytest.mark.parametrize("call", ["utime", "fchmod"])
def test_a_copy_is_kept_where_there_are_neither_modes_nor_times(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A file system that refuses to set them still keeps the content."""
    refuse_links(monkeypatch, errno.EPERM)
    put(session, b"one")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, call, refuse)
    put(session, b"two")
    assert revisions(tree) == [b"one"]


def test_a_copy_never_replaces_a_copy(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a file system that refuses links before it looks at names keeps every revision."""
    refuse_links(monkeypatch, errno.EPERM, looks=False)
    for content in (b"one", b"two", b"three"):
        put(session, content)
    assert revisions(tree) == [b"one", b"two"]


def test_a_copy_takes_no_more_than_may_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without space for a copy the older file stays where it is, and the error says so."""
    refuse_links(monkeypatch, errno.EPERM)
    tree = Tree(tmp_path / "winter", free_space=lambda _: 1000)
    tree.prepare("mirror")
    with tree.session("session") as session:
        put(session, b"x" * 1001)
        with pytest.raises(StorageError, match=r"not enough space in .*: 1 kB needed"):
            put(session, b"two")
        session.forget_journal("batch")
    assert target(tree).read_bytes() == b"x" * 1001
    assert (revisions(tree), tree.space.free()) == ([], 1000)


def test_any_other_refusal_to_link_is_an_error(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is not taken for a file system without links: the older file stays."""
    put(session, b"one")
    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(StorageError, match="No space left"):
        put(session, b"two")
    assert target(tree).read_bytes() == b"one"


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_a_reader_never_finds_the_file_absent_or_torn(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    """Whoever opens a product while it is replaced finds one whole revision or another."""
    if not links:
        refuse_links(monkeypatch, errno.EPERM)
    contents = [bytes([number]) * 50_000 for number in range(60)]
    put(session, contents[0])
    whole = {sha256(content) for content in contents}
    found: set[str] = set()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found.add(sha256_of_file(target(tree)))
        except OSError as absent:
            found.add(str(absent))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for content in contents[1:]:
            put(session, content)
    finally:
        done.set()
        reader.join()
    assert found
    assert found <= whole
    assert sorted(revisions(tree)) == contents[:-1]
