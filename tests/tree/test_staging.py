"""Parts: new files that take nothing's place, and whose errors say where they are."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support.trees import Recorder

from winter_sync.core.errors import StorageError
from winter_sync.tree.staging import Part

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.tree.publishing import Session
    from winter_sync.tree.tree import Tree


def test_a_part_is_a_new_file_at_its_path(tmp_path: Path) -> None:
    """It is there under that name until it is left, and is removed also if it was before."""
    with Part(tmp_path / "1.part") as part:
        part.write(b"one")
        assert (tmp_path / "1.part").read_bytes() == b"one"
        assert part.path == str(tmp_path / "1.part")
    assert list(tmp_path.iterdir()) == []
    with Part(tmp_path / "2.part"):
        (tmp_path / "2.part").unlink()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_part_takes_the_place_of_nothing(tmp_path: Path, kind: str) -> None:
    """What has its name already is neither written to nor removed."""
    mine, name = tmp_path / "mine", tmp_path / "1.part"
    mine.write_bytes(b"mine")
    name.write_bytes(b"mine") if kind == "file" else name.symlink_to(mine)
    with pytest.raises(FileExistsError):
        Part(name)
    assert (name.read_bytes(), mine.read_bytes()) == (b"mine", b"mine")


def test_an_empty_part_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts as durable before it was synced."""
    calls = Recorder(monkeypatch)
    with Part(tmp_path / "1.part") as part:
        part.sync()
    assert calls.calls == [("fsync", "1.part")]


def test_a_part_that_cannot_be_written_or_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's error has no path in it, or not the whole one; ours has."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    part = Part(tmp_path / "1.part")
    part.close()
    with pytest.raises(StorageError) as unwritten:
        part.write(b"one")
    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", fail)
        with pytest.raises(StorageError) as unremoved:
            part.discard()
    for failed in (unwritten, unremoved):
        assert failed.value.message.startswith(f"{part.path}: ")


def test_a_part_that_cannot_be_closed_is_discarded_all_the_same(tmp_path: Path) -> None:
    """A disk that fails may say so only then; what is not durable by now is not wanted."""
    part = Part(tmp_path / "1.part")
    os.close(part.descriptor)
    part.discard()
    part.close()
    assert not list(tmp_path.iterdir())


def test_a_part_is_not_begun_in_a_session_that_was_removed(tree: Tree, session: Session) -> None:
    """The error says where its directory should be."""
    place = tree.sessions.directory(session.name)
    shutil.rmtree(place)
    with pytest.raises(StorageError, match="No such file") as failed:
        session.stage()
    assert failed.value.message.startswith(str(place))
