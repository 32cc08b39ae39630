"""What polls a small archive into an empty catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.download_rig import download_rig
from support.lister import poll_rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.download_rig import DownloadRig
    from support.lister import PollRig


@pytest.fixture
async def polling(tmp_path: Path) -> AsyncIterator[PollRig]:
    """Yield a lister that lists nothing yet, and what polls it."""
    async with poll_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
async def downloads(tmp_path: Path) -> AsyncIterator[DownloadRig]:
    """Yield an archive that sends nothing yet, and what downloads from it."""
    async with download_rig(tmp_path) as rig:
        yield rig
