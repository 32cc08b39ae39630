"""A browser without a screen: it asks a real server for the pages of a mirror."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from pages.reading import Page

from winter_sync.pages import MirrorSite, PageContext
from winter_sync.web import Sources, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime


@dataclass
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def page(self) -> Page:
        """The answer as a page, which keeps what all pages promise."""
        page = Page(self.body.decode())
        assert page.faults == [], page.text
        return page


@dataclass
class Browser:
    """A client of the pages."""

    address: str
    site: MirrorSite
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> Got:
        """Request an address; a redirect is not followed."""
        async with self.session.get(
            f"http://{self.address}{path}", headers=headers, allow_redirects=False
        ) as answer:
            return Got(answer.status, answer.headers, await answer.read())

    async def page(self, path: str, status: int = 200) -> Page:
        """Request a page that must be there, and keep what all pages promise."""
        got = await self.get(path)
        assert got.status == status, path
        return got.page


@asynccontextmanager
async def browsing(context: PageContext, now: datetime) -> AsyncIterator[Browser]:
    """Serve the pages of a mirror, and yield a browser."""
    site = MirrorSite(lambda: context, lambda: now)
    sources = Sources(list, list, site)
    async with (
        serving("127.0.0.1:0", sources) as address,
        aiohttp.ClientSession(raise_for_status=False) as session,
    ):
        yield Browser(address, site, session)
