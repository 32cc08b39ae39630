"""An archive, what it has, and mirrors of it that die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from promises.kills import ArchiveProcess, KillableMirrors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture(scope="module")
def archive() -> Iterator[ArchiveProcess]:
    """Return an archive that all kills of this module share."""
    with ArchiveProcess() as running:
        yield running


@pytest.fixture(scope="module")
def truth(archive: ArchiveProcess) -> Mapping[str, str]:
    """Return what must be in the tree in the end."""
    return archive.truth()


@pytest.fixture(scope="module")
def mirrors(archive: ArchiveProcess) -> Iterator[KillableMirrors]:
    """Return the maker of mirrors that die."""
    with KillableMirrors(archive.url) as running:
        yield running
