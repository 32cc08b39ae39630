"""An archive, its contents, and mirrors of it that are killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from promises.kills import ArchiveProcess, KillableMirrors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture(scope="module")
def archive() -> Iterator[ArchiveProcess]:
    """Yield an archive that all kills of this module share."""
    with ArchiveProcess() as running:
        yield running


@pytest.fixture(scope="module")
def truth(archive: ArchiveProcess) -> Mapping[str, str]:
    """Return what must be in the tree at the end."""
    return archive.truth()


@pytest.fixture(scope="module")
def mirrors(archive: ArchiveProcess) -> Iterator[KillableMirrors]:
    """Yield a process that runs mirrors which are killed."""
    with KillableMirrors(archive.url) as running:
        yield running
