"""Files of products: those of the catalog that are whole, and nothing else on the disk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from pages.by_hand import context_of, made_by_hand
from pages.client import Browser, browsing
from support.answers import used
from support.makers import path_of
from yarl import URL

from winter_sync.core import utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from winter_sync.core.products import Product


@pytest.fixture
def products(tmp_path: Path) -> dict[str, Product]:
    """Make a mirror of one product in each state; the files that should be here are."""
    with made_by_hand(tmp_path) as catalog:
        by_state = used(catalog)
    for state in ("downloaded", "withdrawn"):
        one = by_state[state]
        file = tmp_path / path_of(one)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(one.savepath.encode())
    return by_state


@pytest.fixture
async def browser(tmp_path: Path, products: dict[str, Product]) -> AsyncIterator[Browser]:
    """Serve the pages of that mirror."""
    del products
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        yield browser


def link(one: Product) -> str:
    """Return the address of the file of a product."""
    return f"/file/{path_of(one)}"


async def test_a_file_is_sent_whole_or_in_part(
    browser: Browser, products: dict[str, Product]
) -> None:
    """It comes under its own name, as something to keep; a download can go on where it stopped."""
    one = products["downloaded"]
    content = one.savepath.encode()
    whole = await browser.get(link(one))
    assert (whole.status, whole.body) == (200, content)
    assert one.filename in whole.headers["Content-Disposition"]
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    part = await browser.get(link(one), Range="bytes=5-")
    assert (part.status, part.body) == (206, content[5:])
    # Another request on the same connection would be reset.
    assert part.headers["Connection"] == "close"
    assert (await browser.get(link(products["withdrawn"]))).status == 200


@pytest.mark.parametrize("state", ["pending", "missing", "damaged"])
async def test_what_is_not_here_is_not_sent(
    browser: Browser, products: dict[str, Product], state: str
) -> None:
    """The page says where the product stands; its own page offers no download."""
    page = await browser.page(link(products[state]), 404)
    assert state in page.said
    own = await browser.page(f"/product/{path_of(products[state])}")
    assert not [address for address in own.links if address.startswith("/file/")]


@pytest.mark.parametrize(
    "path",
    [
        *("../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "%2fetc%2fpasswd"),
        *(".winter-sync/catalog.sqlite3", "winter", "", "%00", "winter/20240130/final/.."),
    ],
)
async def test_no_path_of_an_address_is_opened(browser: Browser, path: str) -> None:
    """Whatever is no path of a product in the catalog is not found, however it is written."""
    address = URL(f"http://{browser.address}/file/{path}", encoded=True)
    async with browser.session.get(address) as answer:
        assert answer.status == 404
        assert "root:" not in await answer.text()


async def test_only_what_was_downloaded_is_sent(
    browser: Browser, products: dict[str, Product], tmp_path: Path
) -> None:
    """A link, a pipe, a directory or other content in the place of a file: none of it is sent."""
    one = products["downloaded"]
    file, secret = tmp_path / path_of(one), tmp_path / "secret"
    secret.write_bytes(b"x" * len(one.savepath))

    def link_to_file() -> None:
        file.symlink_to(secret)

    def link_to_directory() -> None:
        elsewhere = tmp_path / "elsewhere"
        shutil.move(file.parent, elsewhere)
        (elsewhere / file.name).write_bytes(secret.read_bytes())
        file.parent.symlink_to(elsewhere)

    for replace in (
        link_to_file,
        lambda: os.mkfifo(file),
        file.mkdir,
        lambda: file.write_bytes(b"shorter"),
        lambda: None,
        link_to_directory,
    ):
        if file.is_dir():
            file.rmdir()
        file.unlink(missing_ok=True)
        replace()
        got = await browser.get(link(one))
        assert got.status == 503
        assert "verify --repair" in got.page.said
