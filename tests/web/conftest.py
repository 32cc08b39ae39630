"""A server at which all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from web.client import Shown, Site, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Serve pages that say that all is well."""
    async with shown(Shown()) as site:
        yield site
