"""Trees, sessions and disks for the tests of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.trees import Disk

from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.tree.publishing import Session
    from winter_sync.tree.staging import Part


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a prepared tree."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    return tree


@pytest.fixture
def session(tree: Tree) -> Iterator[Session]:
    """Yield a session of work in the tree."""
    with tree.session("session") as session:
        yield session


@pytest.fixture
def disk() -> Disk:
    """Return a disk with a thousand bytes free."""
    return Disk(1000)


@pytest.fixture
def small_tree(tmp_path: Path, disk: Disk) -> Tree:
    """Return a tree on that disk, of which 100 bytes must stay free."""
    tree = Tree(tmp_path / "winter", min_free=100, free_space=disk)
    tree.prepare("mirror")
    return tree


@pytest.fixture
def part(small_tree: Tree) -> Iterator[Part]:
    """Yield an empty part in the small tree."""
    with small_tree.session("session") as session, session.stage() as part:
        yield part
