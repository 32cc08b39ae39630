"""An archive, what it has, and mirrors of it that die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashes.sweep import Nursery, Observatory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture(scope="module")
def observatory() -> Iterator[Observatory]:
    """Give an archive that all kills of this module share."""
    with Observatory() as running:
        yield running


@pytest.fixture(scope="module")
def truth(observatory: Observatory) -> Mapping[str, str]:
    """Give what must be in the tree in the end."""
    return observatory.truth()


@pytest.fixture(scope="module")
def nursery(observatory: Observatory) -> Iterator[Nursery]:
    """Give the maker of mirrors that die."""
    with Nursery(observatory.url) as running:
        yield running
