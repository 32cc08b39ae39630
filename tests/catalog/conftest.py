"""A catalog of its own for each test, and the clock that it looks at."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.clock import Clock

from winter_sync.catalog.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the catalog is."""
    return tmp_path / "catalog.sqlite3"


@pytest.fixture
def catalog(path: Path, clock: Clock) -> Iterator[Catalog]:
    """Return a new catalog."""
    with closing(Catalog(path, clock)) as catalog:
        yield catalog
