"""A small mirror made by hand: what stands in it, a test says."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from winter_sync.catalog import Catalog
from winter_sync.core import CATALOG, STATE_DIR, utc_now
from winter_sync.pages import PageContext
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def made_by_hand(root: Path) -> Iterator[Catalog]:
    """Make a mirror in a directory, and open its catalog for writing."""
    root.mkdir(exist_ok=True)
    Tree(root).prepare("mirror")
    with closing(Catalog(root / STATE_DIR / CATALOG, utc_now)) as catalog:
        yield catalog


def context_of(root: Path) -> PageContext:
    """Return what the pages know beside the catalog, without settings."""
    return PageContext(root, root / STATE_DIR)
