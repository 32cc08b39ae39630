"""Directories: what blocks the way to a product is found before it is downloaded, and named."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.makers import evidence, path_of, sha256
from support.trees import STACK, put, target

from winter_sync.core.errors import StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.tree.publishing import Session


def put_file(place: Path) -> Path:
    """Put a file where the directory of a product should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.touch()
    return place.parent


def put_file_above(place: Path) -> Path:
    """Put a file where the directory of a night should be."""
    place.parents[2].mkdir(parents=True)
    place.parents[1].touch()
    return place.parents[1]


def put_directory(place: Path) -> Path:
    """Put a directory where a product should be."""
    place.mkdir(parents=True)
    return place


def put_dangling_link(place: Path) -> Path:
    """Put a link to nowhere where a directory should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to("nowhere")
    return place.parent


def put_loop(place: Path) -> Path:
    """Put a link to itself where a directory should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to(place.parent.name)
    return place.parent


OBSTACLES = [put_file, put_file_above, put_directory, put_dangling_link, put_loop]


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("put_there", OBSTACLES, ids=lambda put_there: put_there.__name__)
def test_what_blocks_a_product_is_named(
    tree: Tree, put_there: Callable[[Path], Path], *, follow_links: bool
) -> None:
    """Whatever is in the way, the message says where, and the way is free once it is gone."""
    tree = Tree(tree.root, follow_links=follow_links)
    blocking = put_there(target(tree))
    before = open_files()
    obstacle = tree.directories.obstacle(path_of(STACK))
    assert obstacle is not None
    assert obstacle.message.startswith(f"{blocking}: ")
    assert open_files() == before
    blocking.rmdir() if put_there is put_directory else blocking.unlink()
    assert tree.directories.obstacle(path_of(STACK)) is None


def open_files() -> int:
    """Count the descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_directory_on_another_file_system_blocks(tree: Tree) -> None:
    """Nothing can be renamed to there; a link is no way around that."""
    elsewhere = Path("/dev/shm")  # noqa: S108 - nothing is written there
    if elsewhere.stat().st_dev == tree.root.stat().st_dev:
        pytest.skip("needs /dev/shm to be a file system of its own")
    place = target(tree)
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to(elsewhere)
    obstacle = Tree(tree.root, follow_links=True).directories.obstacle(path_of(STACK))
    assert obstacle is not None
    assert obstacle.errno == errno.EXDEV
    assert obstacle.message.startswith(f"{place.parent}: ")


def test_a_name_that_is_too_long_blocks_only_itself(tree: Tree) -> None:
    """A file system that takes no such name is no reason to stop the others."""
    target(tree).parents[2].mkdir()
    obstacle = tree.directories.obstacle(f"winter/{'x' * 300}/final/one.fits")
    assert obstacle is not None
    assert obstacle.errno == errno.ENAMETOOLONG


def test_nothing_blocks_where_nothing_is_or_the_product_itself(
    tree: Tree, session: Session
) -> None:
    """Neither a file to be replaced, nor directories still to be made, nor what lies beside."""
    assert tree.directories.obstacle(path_of(STACK)) is None
    put(session, b"content")
    assert tree.directories.obstacle(path_of(STACK)) is None
    (target(tree).parent / "mine").mkdir()
    assert tree.directories.obstacle(path_of(STACK)) is None
    assert tree.directories.obstacle("one.fits") is None


def test_a_root_that_is_gone_is_no_obstacle_of_one_product(tree: Tree) -> None:
    """What concerns all products alike must stop the run, and not be taken for one path's fault."""
    shutil.rmtree(tree.root)
    assert tree.directories.obstacle(path_of(STACK)) is None


@pytest.mark.parametrize("path", [f"{STATE_DIR}/mirror.json", "../one.fits", "/one.fits", ""])
def test_no_product_has_a_place_of_ours_or_outside(tree: Tree, path: str) -> None:
    """A catalog that says so is not believed, and the error says what was not touched."""
    with pytest.raises(StorageError, match="no product can be there") as refused:
        tree.directories.place(path)
    assert refused.value.remedy.startswith("Restore the catalog from a backup")
    assert f"nothing outside {tree.root}" in refused.value.remedy
    assert path in refused.value.message


@pytest.mark.parametrize("follow_links", [False, True])
def test_content_behind_a_link_is_held_where_links_are_followed(
    tree: Tree, session: Session, *, follow_links: bool
) -> None:
    """A night that was moved elsewhere and linked is there, if the settings say so."""
    put(session, b"content")
    night = target(tree).parents[1]
    shutil.move(night, tree.root.parent / "elsewhere")
    night.symlink_to(tree.root.parent / "elsewhere")
    again = Tree(tree.root, follow_links=follow_links)
    assert again.holds(evidence(STACK, b"content")) == follow_links
    assert again.has_content(path_of(STACK), sha256(b"content")) == follow_links
    assert not again.has_content(path_of(STACK), sha256(b"another"))


def link_away(place: Path, elsewhere: Path) -> None:
    """Move a directory elsewhere, and put a link to it in its place."""
    shutil.move(place, elsewhere)
    place.symlink_to(elsewhere)


@pytest.mark.parametrize("before", [False, True], ids=["a link before", "a link meanwhile"])
def test_a_linked_night_is_published_to_where_links_are_followed(
    tree: Tree, tmp_path: Path, *, before: bool
) -> None:
    """Whether it was a link when the process began, or became one while it runs."""
    elsewhere, night = tmp_path / "elsewhere", target(tree).parents[1]
    if before:
        night.mkdir(parents=True)
        link_away(night, elsewhere)
    following = Tree(tree.root, follow_links=True)
    with following.session("session") as session:
        put(session, b"one")
        if not before:
            link_away(night, elsewhere)
        put(session, b"two")
        session.forget_journal("batch")
    assert (elsewhere / "final" / target(tree).name).read_bytes() == b"two"


@pytest.mark.parametrize("before", [False, True], ids=["a link before", "a link meanwhile"])
def test_a_linked_night_is_named_where_links_are_not_followed(
    tree: Tree, session: Session, tmp_path: Path, *, before: bool
) -> None:
    """The error says which directory it is, and how to have links followed."""
    elsewhere, night = tmp_path / "elsewhere", target(tree).parents[1]
    if before:
        night.mkdir(parents=True)
    else:
        put(session, b"one")
    link_away(night, elsewhere)
    with pytest.raises(StorageError, match="symbolic link") as refused:
        put(session, b"two")
    assert refused.value.message.startswith(f"{night}: ")
    assert "follow_links = true" in refused.value.remedy
    assert [path.read_bytes() for path in elsewhere.rglob("*.fits")] == [b"one"] * (not before)


@pytest.mark.parametrize("before", [False, True], ids=["a link before", "a link meanwhile"])
def test_a_link_among_our_own_directories_is_never_followed(
    tree: Tree, tmp_path: Path, *, before: bool
) -> None:
    """Revisions stay in the mirror, also where directories of products may be links."""
    elsewhere, ours = tmp_path / "elsewhere", tree.own_directory / "revisions"
    following = Tree(tree.root, follow_links=True)
    with following.session("session") as session:
        put(session, b"one")
        if before:
            ours.mkdir()
        else:
            put(session, b"two")
        link_away(ours, elsewhere)
        with pytest.raises(StorageError, match="symbolic link") as refused:
            put(session, b"three")
        session.forget_journal("batch")
    assert refused.value.message.startswith(f"{ours}: ")
    assert f"`mv {ours} {ours}.aside`" in refused.value.remedy
    assert len(list(elsewhere.rglob("*.fits"))) == (not before)
