"""Files that belong to no product: all are found, none is touched, and links lead nowhere."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree
from winter_sync.tree.unknown_files import FileWalk, abandoned_files, paths_of_nights

if TYPE_CHECKING:
    from pathlib import Path


def make(root: Path, *paths: str) -> None:
    """Make files below a root."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def walked(walk: FileWalk) -> list[list[str]]:
    """Return all pages of a walk."""
    pages = []
    while page := walk.next_paths():
        pages.append(page)
    return pages


def test_every_file_is_found_once_a_few_hundred_at_a_time(tmp_path: Path) -> None:
    """However they lie; no page is so long that a large mirror fills the memory."""
    paths = [f"winter/{night}/final/{number}.fits" for night in range(4) for number in range(250)]
    make(tmp_path, *paths, "top.txt", "winter/beside.txt")
    pages = walked(FileWalk(tmp_path))
    found = [path for page in pages for path in page]
    assert sorted(found) == sorted([*paths, "top.txt", "winter/beside.txt"])
    assert len(pages) > 2
    assert all(len(page) < 500 for page in pages)


def test_our_own_directory_is_left_out_at_the_top_only(tmp_path: Path) -> None:
    """So is that of the file system; a person's of the same name below is shown."""
    make(
        tmp_path,
        *(f"{STATE_DIR}/mirror.json", "lost+found/#1", "mine.txt"),
        *(f"old/{STATE_DIR}/mirror.json", "old/lost+found/#2"),
    )
    (found,) = walked(FileWalk(tmp_path))
    assert set(found) == {"mine.txt", f"old/{STATE_DIR}/mirror.json", "old/lost+found/#2"}


def test_a_walk_may_begin_below_the_root(tmp_path: Path) -> None:
    """Paths are relative to the root all the same, also below our own directory."""
    make(tmp_path, f"{STATE_DIR}/revisions/winter/one.1.fits", "winter/one.fits")
    walk = FileWalk(tmp_path, f"{STATE_DIR}/revisions")
    assert walked(walk) == [[f"{STATE_DIR}/revisions/winter/one.1.fits"]]
    assert walk.unreadable == []


def test_links_are_shown_and_not_followed(tmp_path: Path) -> None:
    """What a link leads to is not in the tree, and a ring of them has an end."""
    root = tmp_path / "root"
    make(root, "one.fits")
    make(tmp_path, "elsewhere/thesis.txt")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "ring").symlink_to(root)
    (found,) = walked(FileWalk(root))
    assert sorted(found) == ["link", "one.fits", "ring"]


def test_what_cannot_be_listed_is_named(tmp_path: Path) -> None:
    """It is not passed over as if it were empty; what is not there at all is."""
    make(tmp_path, "file")
    walk = FileWalk(tmp_path, "file")
    assert (walked(walk), walk.unreadable) == ([], ["file"])
    absent = FileWalk(tmp_path, "absent")
    assert (walked(absent), absent.unreadable) == ([], [])


@pytest.mark.parametrize(
    ("nights", "expected"),
    [
        ([], ["winter/20240130/a", "winter/n20240131/b", "20240130.txt"]),
        (["20240130"], ["winter/20240130/a"]),
        (["20240131", "20240130"], ["winter/20240130/a", "winter/n20240131/b"]),
        (["20240101"], []),
    ],
)
def test_files_are_chosen_by_the_directories_of_nights(
    nights: list[str], expected: list[str]
) -> None:
    """A night anywhere in the name of a directory counts; in that of a file it does not."""
    paths = ["winter/20240130/a", "winter/n20240131/b", "20240130.txt"]
    assert paths_of_nights(paths, nights) == expected


def test_what_was_abandoned_is_listed_and_left_alone(tree: Tree) -> None:
    """Not what a process that lives is about to publish; and looking takes no session over."""
    dead = f"{STATE_DIR}/staging/dead"
    make(tree.root, f"{dead}/lock", f"{dead}/2.part", f"{dead}/1.part", f"{dead}/b.published")
    make(tree.root, f"{STATE_DIR}/staging/unlocked/1.part")
    with tree.session("ours") as session, session.stage():
        expected = [f"{dead}/1.part", f"{dead}/2.part", f"{dead}/b.published"]
        expected.append(f"{STATE_DIR}/staging/unlocked/1.part")
        assert abandoned_files(tree) == expected
        assert abandoned_files(tree) == expected
        assert tree.sessions.take_over_dead() == {"dead": False, "ours": True, "unlocked": False}
        assert abandoned_files(tree) == []


def test_a_session_that_cannot_be_looked_at_hides_no_other(tree: Tree) -> None:
    """What has the name of its lock may be anything; nobody is stopped by it who only looks."""
    staging = tree.own_directory / "staging"
    (staging / "a" / "lock").mkdir(parents=True)
    (staging / "b").mkdir()
    assert tree.sessions.abandoned() == [staging / "b"]


def test_nothing_was_left_where_there_is_no_mirror(tmp_path: Path) -> None:
    """Who looks at a root that is not there, or is not a mirror, finds nothing."""
    assert abandoned_files(Tree(tmp_path)) == []
    assert abandoned_files(Tree(tmp_path / "gone")) == []


def test_nothing_is_said_of_a_mirror_that_others_could_have_changed(tree: Tree) -> None:
    """Who only looks is not stopped by what a run refuses to work with."""
    (tree.own_directory / "staging" / "dead").mkdir()
    tree.own_directory.chmod(0o777)
    assert tree.sessions.abandoned() == []
    tree.own_directory.chmod(0o755)
    assert [path.name for path in tree.sessions.abandoned()] == ["dead"]


def test_directories_may_be_nested_without_end(tmp_path: Path) -> None:
    """However deep somebody nests them: as far as a path can go, files are found."""
    deepest = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deepest)
        below = os.open("d", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(os.open("file", os.O_CREAT, dir_fd=deepest))
    os.close(deepest)
    try:
        assert walked(FileWalk(tmp_path)) == [["d/" * 1500 + "file"]]
    finally:  # pytest's own removal recurs
        subprocess.run(["rm", "-r", "d"], cwd=tmp_path, check=True)  # noqa: S607 - of any system
