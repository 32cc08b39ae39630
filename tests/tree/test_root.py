"""The root and its marker: created once, durable, and refused where it is not what it was."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from support.trees import Recorder, next_line, running, send

from winter_sync.core import DirectoriesNotSynced
from winter_sync.core.errors import StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_root_is_made_once(tmp_path: Path) -> None:
    """Preparing makes the root and names the mirror; later names are not taken."""
    tree = Tree(tmp_path / "winter")
    assert tree.name is None
    assert tree.prepare("one") == "one"
    assert Tree(tmp_path / "winter").prepare("two") == "one"
    assert tree.name == "one"


def test_a_new_mirror_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root, its marker and a session's place are synced, each before it is relied upon."""
    calls = Recorder(monkeypatch)
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    marked = calls.at("rename", "mirror.new")
    assert calls.at("mkdir", "winter") < calls.at("fsync", tmp_path.name)
    assert calls.at("fsync", "mirror.new") < marked
    assert marked < calls.at("fsync", STATE_DIR) < calls.at("fsync", "winter")
    with tree.session("session"):
        assert calls.at("mkdir", "session") < calls.at("fsync", "staging")


def test_processes_that_begin_together_agree_on_the_name(tmp_path: Path) -> None:
    """Of several processes that make one mirror at the same moment, all get the same name."""
    for turn in range(3):
        root = tmp_path / str(turn)
        with (
            running(root, "prepare", "one") as first,
            running(root, "prepare", "two") as second,
            running(root, "prepare", "three") as third,
        ):
            processes = (first, second, third)
            for process in processes:
                send(process)
            assert {next_line(process) for process in processes} == {Tree(root).name}


def test_a_root_whose_parent_is_missing_is_refused(tmp_path: Path) -> None:
    """Only the root itself is made: a missing parent may be a disk that is not mounted."""
    tree = Tree(tmp_path / "disk" / "winter")
    with pytest.raises(StorageError, match=f"{tmp_path}/disk does not exist") as refused:
        tree.prepare("mirror")
    assert "mount" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_root_below_a_file_is_refused(tmp_path: Path) -> None:
    """A file where the root's parent should be is named."""
    (tmp_path / "disk").write_bytes(b"mine")
    with pytest.raises(StorageError, match=f"{tmp_path}/disk is not a directory"):
        Tree(tmp_path / "disk" / "winter").prepare("mirror")


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_a_root_that_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    """A file or a link to nothing in the root's place is named and left alone."""
    root = tmp_path / "winter"
    if kind == "file":
        root.write_bytes(b"mine")
    else:
        root.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match=f"{root}: Not a directory") as refused:
        Tree(root).prepare("mirror")
    assert refused.value.remedy
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "marker",
    [b"", b"null", b"[]", b"{}", b'{"id": "x"}', b'{"format": "x", "id": "y"}', b"\xff\xfe"],
)
def test_a_broken_marker_is_reported(tree: Tree, marker: bytes) -> None:
    """A marker that cannot be read is neither replaced nor ignored."""
    path = tree.own_directory / "mirror.json"
    path.write_bytes(marker)
    with pytest.raises(StorageError, match="cannot be read") as broken:
        tree.prepare("another")
    assert str(path) in broken.value.message
    assert path.read_bytes() == marker


def test_a_newer_mirror_is_left_alone(tree: Tree) -> None:
    """A mirror of a newer edition is distinguished from a broken one."""
    (tree.own_directory / "mirror.json").write_text(json.dumps({"format": 2, "id": "x"}))
    with pytest.raises(StorageError, match="newer winter-sync"):
        _ = tree.name


def test_directories_that_cannot_be_synced_are_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On such a file system a mirror works, and whoever runs it knows what a power cut may cost."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    assert list(tree.take_events()) == [DirectoriesNotSynced(str(tree.root))]
    assert list(tree.take_events()) == []
