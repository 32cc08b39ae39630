"""`adopt DIR --move` killed at any instant: each file is whole, at its source or in the tree."""

from __future__ import annotations

import shutil
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from promises.kills import ArchiveProcess, KillableMirrors, check_after_restart, look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTANTS = 2
INSTANTS_OF_ALL = 100


@pytest.fixture(scope="module")
def archive() -> Iterator[ArchiveProcess]:
    """Return an archive in a process of its own."""
    with ArchiveProcess(8) as archive:
        yield archive


@pytest.fixture(scope="module")
def mirrors(archive: ArchiveProcess) -> Iterator[KillableMirrors]:
    """Return what runs mirrors of the archive that are killed."""
    with KillableMirrors(archive.url) as mirrors:
        yield mirrors


@pytest.fixture(scope="module")
def downloaded(mirrors: KillableMirrors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree of a mirror that nobody disturbed."""
    root = tmp_path_factory.mktemp("downloaded") / "winter"
    mirrors.run(root)
    return root


class Adoption:
    """A directory with all files of the archive, and the root into which they are moved."""

    def __init__(self, mirrors: KillableMirrors, downloaded: Path, place: Path) -> None:
        self._mirrors = mirrors
        self.root = place / "winter"
        self.source = place / "mine"
        shutil.copytree(downloaded, self.source, ignore=shutil.ignore_patterns(".winter-sync"))
        self.truth = look(self.source).digests

    def run(self, **order: object) -> bool:
        """Adopt, in a process that is killed as ordered; return whether it was."""
        return self._mirrors.run(self.root, adopt=str(self.source), **order)

    def check_after_kill(self) -> None:
        """Each file is whole, at its source or in the tree; nothing else is at either."""
        at_source, in_tree = look(self.source).digests, look(self.root).digests
        for found in (at_source, in_tree):
            assert found.items() <= self.truth.items()
        assert at_source.keys() | in_tree.keys() == self.truth.keys()

    def finish(self) -> None:
        """Run again to the end: all is in the tree and known, what was there was not touched."""
        before = look(self.root)
        assert not self.run()
        assert look(self.source).digests == {}
        check_after_restart(self.root, self.truth, before)


@pytest.mark.parametrize(
    ("step", "moment"),
    [("stage file", "after"), ("publish", "after"), ("commit", "after"), ("remove file", "after")],
)
@pytest.mark.fault(
    kind="SIGKILL in `adopt DIR --move`",
    injected="(a process that kills itself at each step, or at random instants)",
    outcome="the same command moves what is left",
    kept="every file, whole, at its source or in the tree",
)
def test_killed_at_a_step(
    mirrors: KillableMirrors, downloaded: Path, tmp_path: Path, step: str, moment: str
) -> None:
    """After each step of the second file."""
    adoption = Adoption(mirrors, downloaded, tmp_path)
    assert adoption.run(step=step, moment=moment, times=2)
    adoption.check_after_kill()
    adoption.finish()


def _sweep(mirrors: KillableMirrors, downloaded: Path, place: Path, count: int) -> int:
    whole = Adoption(mirrors, downloaded, place / "whole")
    began = time.perf_counter()
    whole.run()
    life = time.perf_counter() - began
    chance, killed = Random(1), 0  # noqa: S311 - instants, not secrets
    for number in range(count):
        adoption = Adoption(mirrors, downloaded, place / str(number))
        # One instant in each part of its life.
        killed += adoption.run(after=(number + chance.random()) / count * life)
        adoption.check_after_kill()
        adoption.finish()
    return killed


def test_killed_at_random_instants(
    mirrors: KillableMirrors, downloaded: Path, tmp_path: Path
) -> None:
    """At random instants; a short form of the sweep."""
    assert _sweep(mirrors, downloaded, tmp_path, INSTANTS) > 0


@pytest.mark.slow
def test_killed_at_many_random_instants(
    mirrors: KillableMirrors, downloaded: Path, tmp_path: Path
) -> None:
    """The whole sweep."""
    assert _sweep(mirrors, downloaded, tmp_path, INSTANTS_OF_ALL) > INSTANTS_OF_ALL // 5
