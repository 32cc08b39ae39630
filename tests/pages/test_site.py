"""The pages: all that lead to one another, whatever the mirror holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pages.client import browsing

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.pages import PageContext


async def test_every_link_leads_somewhere(mirrored: tuple[PageContext, datetime]) -> None:
    """From the first page on, each link is a page, a file or an answer for machines."""
    async with browsing(*mirrored) as browser:
        waiting, seen = ["/"], {"/"}
        while waiting:
            path = waiting.pop()
            got = await browser.get(path)
            assert got.status == 200, path
            if not got.headers["Content-Type"].startswith("text/html"):
                continue
            for link in got.page.links:
                address = link.partition("#")[0]
                assert address.startswith("/") or not address, f"{path} leads to {link}"
                if address and address not in seen and len(seen) < 60:
                    seen.add(address)
                    waiting.append(address)
        assert len(seen) > 10


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/static/../site.py",
        "/static/none.css",
        "/product/no/such.fits",
        "/target?name=none",
        "/target",
        "/live/x",
        "/night/20200101",
        "/night/x",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(
    mirrored: tuple[PageContext, datetime], path: str
) -> None:
    """An unknown night, target, product or address is a 404 with words, and a way on."""
    async with browsing(*mirrored) as browser:
        page = await browser.page(path, 404)
        assert "Not found" in page.said
        assert "/" in page.links


async def test_the_first_page_says_how_the_mirror_stands(
    mirrored: tuple[PageContext, datetime],
) -> None:
    """In the words of `status`: what of the last night is here, and whether the archive answers."""
    context, now = mirrored
    async with browsing(context, now) as browser:
        page = await browser.page("/")
        assert "The archive last answered" in page.said
        assert "Last night" in page.said
        assert "of the latest" not in page.said
        assert page.attributes["now"]["aria-live"] == "polite"
