"""Every page of a mirror of no night, of a few, and of more than a year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pages.by_hand import context_of, made_by_hand
from pages.client import browsing
from support.answers import at, enter
from support.makers import NIGHT, product

from winter_sync.core import ImageType, utc_now

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("nights", [0, 3, 400])
async def test_pages_keep_what_they_promise_however_many_nights(
    tmp_path: Path, nights: int
) -> None:
    """All nights are reached in parts, each once; nothing is said of what is not there."""
    expected = {NIGHT.plus(number) for number in range(nights)}
    with made_by_hand(tmp_path) as catalog:
        kinds = (ImageType.STACK, ImageType.DIFF)
        products = [product(0, kind, night=night) for night in expected for kind in kinds]
        enter(catalog, (at(one, 150.0, 17.0, f"T{one.night}") for one in products))
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        home = await browser.page("/")
        assert ("Nothing is listed yet" in home.said) is (nights == 0)
        found: list[str] = []
        address: str | None = "/nights"
        while address is not None:
            page = await browser.page(address)
            found += [link for link in page.links if link.startswith("/night/")]
            older = [link for link in page.links if "before=" in link]
            address = older[0].replace("&amp;", "&") if older else None
        assert len(found) == len(set(found)) == nights
        assert set(found) == {f"/night/{night}" for night in expected}
        search = await browser.page("/search?q=T2024")
        assert ("found" in search.said) is (nights > 0)
        for link in {link for link in search.links if "page=" in link}:
            await browser.page(link)
