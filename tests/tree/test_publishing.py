"""Publishing: files appear complete and durable, under their final names, and nowhere else."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.makers import evidence, product, sha256
from support.publisher import SECOND
from support.trees import STACK, Recorder, published, put, staged, target

from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from winter_sync.tree.publishing import Session
    from winter_sync.tree.tree import Tree


def test_a_part_has_no_final_name_before_it_is_published(tree: Tree, session: Session) -> None:
    """While a part arrives nothing is seen outside `.winter-sync`; published, it is there whole."""
    with session.stage() as part:
        for piece in (b"one", memoryview(b"two"), b""):
            part.write(piece)
            assert published(tree) == []
        session.publish(part, evidence(STACK, b"onetwo"), batch="batch", keep=True)
    assert target(tree).read_bytes() == b"onetwo"
    assert staged(tree) == ["batch.published", "lock", "promised"]


def test_a_part_knows_its_size_and_digest(session: Session) -> None:
    """Size and SHA-256 of a part are those of all that was written."""
    with session.stage() as part:
        part.write(b"one")
        part.write(memoryview(b"two"))
        assert (part.size, part.sha256) == (6, sha256(b"onetwo"))
        assert os.pread(part.descriptor, 100, 0) == b"onetwo"


def test_the_time_of_a_published_file_is_that_on_the_disk(tree: Tree, session: Session) -> None:
    """By it a quick check finds out later whether the file was changed."""
    for content in (b"one", b"two"):
        found = put(session, content)
        assert found.mtime_ns == target(tree).stat().st_mtime_ns


def test_a_part_that_is_not_published_vanishes(tree: Tree, session: Session) -> None:
    """A part is removed when it is left, whatever happened."""
    with pytest.raises(ZeroDivisionError), session.stage() as part:
        part.write(b"half" * (1 // part.size))
    assert staged(tree) == ["lock", "promised"]
    part.close()
    part.discard()


def test_a_part_is_synced_once_unless_it_was_changed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync may take a second: it is not repeated for nothing, and never left out."""
    calls = Recorder(monkeypatch)
    with session.stage() as part:
        for content in (b"one", b"two", None):
            part.write(content) if content else part.mark_changed()
            part.sync()
            part.sync()
    assert calls.calls.count(("fsync", "1.part")) == 3


def test_a_part_that_cannot_be_synced_is_named(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's error has no path in it; ours has, and no part counts as durable after it."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with session.stage() as part:
        part.write(b"one")
        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", fail)
            with pytest.raises(StorageError) as failed:
                part.sync()
        assert failed.value.message == f"{part.path}: {os.strerror(errno.EIO)}"
        calls = Recorder(monkeypatch)
        part.sync()
        assert calls.calls == [("fsync", "1.part")]


def test_what_is_synced_before_what(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, then journal, then the journal's name are synced before the rename; after it the name.

    This is what makes a power cut as harmless as a kill.
    """
    put(session, b"before", batch="earlier")
    calls = Recorder(monkeypatch)
    put(session, b"after")
    renamed = calls.at("rename", "2.part")
    order = [
        calls.at("write", "2.part"),
        calls.at("fsync", "2.part"),
        calls.at("write", "batch.published"),
        calls.at("fsync", "batch.published"),
        calls.at("fsync", "session"),
        renamed,
        calls.last("fsync", "final"),
    ]
    assert order == sorted(order)
    assert calls.at("link", target(tree).name) < calls.last("fsync", "final") - 1
    assert calls.at("fsync", "final") < calls.at("write", "batch.published")


def test_the_names_of_new_directories_are_synced(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each directory on the way to a product is made durable in the one above it."""
    calls = Recorder(monkeypatch)
    put(session, b"content")
    above = {"final": "20240130", "20240130": "winter", "winter": tree.root.name}
    for name, parent in list(above.items())[:2]:
        assert calls.at("mkdir", name) < calls.last("fsync", parent) < calls.at("rename", "1.part")
    assert calls.at("mkdir", "winter") < calls.last("fsync", "winter")


def test_directories_made_by_another_are_synced_too(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is there already is made durable once, since its maker may not have."""
    target(tree).parent.mkdir(parents=True)
    calls = Recorder(monkeypatch)
    put(session, b"content")
    first = [name for call, name in calls.calls if call == "fsync"]
    assert {"20240130", "winter"} <= set(first)
    calls.calls.clear()
    put(session, b"more", product(1))
    assert not {"20240130", "winter"} & {name for call, name in calls.calls if call == "fsync"}


def test_a_directory_that_a_person_removed_is_made_again(tree: Tree, session: Session) -> None:
    """Publishing goes on in a night that somebody deleted meanwhile."""
    put(session, b"one")
    target(tree).unlink()
    target(tree).parent.rmdir()
    put(session, b"two")
    assert target(tree).read_bytes() == b"two"


@pytest.mark.parametrize(
    ("umask", "file", "directory"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)]
)
def test_modes_follow_the_umask(
    tree: Tree, session: Session, umask: int, file: int, directory: int
) -> None:
    """Published files and their directories are as readable as the user's umask lets them be."""
    before = os.umask(umask)
    try:
        put(session, b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target(tree).stat().st_mode) == file
    assert stat.S_IMODE(target(tree).parent.stat().st_mode) == directory


@pytest.mark.parametrize("path", ["../outside.fits", "winter/../../outside.fits", "/outside.fits"])
def test_no_path_leads_out_of_the_tree(tree: Tree, session: Session, path: str) -> None:
    """Even a path that slipped past the layout is not followed out of the root."""
    with pytest.raises(StorageError, match="leads out of the tree"):
        put(session, b"content", path=path)
    assert [entry.name for entry in tree.root.parent.iterdir()] == [tree.root.name]


def open_files() -> int:
    """Count the descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_descriptors_are_given_back(tree: Tree) -> None:
    """Publishing, discarding, failing and recovering leave no file open."""
    before = open_files()
    with tree.session("one") as session:
        put(session, b"content")
        (target(tree, SECOND).parent).write_bytes(b"in the way")
        with pytest.raises(StorageError):
            put(session, b"content", SECOND)
        with pytest.raises(StorageError), tree.session("one"):
            pass
    assert tree.sessions.take_over_dead() == {"one": False}
    assert tree.recover_evidence("one") == [evidence(STACK, b"content")]
    tree.sessions.remove("one")
    assert open_files() == before


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_product_that_cannot_be_published_is_named(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The error has its path where the system's has none, and leaves no file open."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = open_files()
    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        with pytest.raises(StorageError) as failed:
            put(session, b"content")
    assert failed.value.message == f"{target(tree)}: {os.strerror(errno.EIO)}"
    assert open_files() == before
    assert put(session, b"content").kept is None
