"""Previews as a browser gets them: of files in the catalog, and a sign where there is none."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from pages.by_hand import context_of, made_by_hand
from pages.client import Browser, browsing
from pages.test_hostile import HOSTILE, SIGN
from PIL import Image
from support.answers import at, enter
from support.fits_images import fits_image
from support.makers import candidate, evidence, path_of, product

from winter_sync.core import STATE_DIR, ImageType, utc_now
from winter_sync.core.downloads import Published
from winter_sync.pages import links
from winter_sync.pages.previews import no_preview
from winter_sync.previews.cache import PREVIEWS

if TYPE_CHECKING:
    from datetime import datetime

    from pages.client import Got

    from winter_sync.catalog import Catalog
    from winter_sync.core.products import Product
    from winter_sync.pages import PageContext


def put(root: Path, catalog: Catalog, one: Product, content: bytes) -> None:
    """Put a file in the tree, and record that it was downloaded."""
    file = root / path_of(one)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    found = evidence(one, content)
    catalog.outcomes.commit([Published(candidate(one), found)], lambda *_: timedelta())


def as_image(got: Got) -> Image.Image:
    """Read an answer that must be a picture."""
    assert (got.status, got.headers["Content-Type"]) == (200, "image/jpeg")
    return Image.open(io.BytesIO(got.body))


def as_sign(got: Got) -> str:
    """Return the words of an answer that must be the sign that there is no preview."""
    assert (got.status, got.headers["Content-Type"]) == (200, "image/svg+xml")
    assert got.headers["Cache-Control"] == "no-store"
    said = " ".join("".join(ET.fromstring(got.body).itertext()).split())  # noqa: S314 - ours
    assert said.startswith("no preview")
    return said


async def thumbnails(browser: Browser, address: str) -> list[str]:
    """Return the addresses of the small pictures of a page."""
    page = await browser.page(address)
    return [link for link in page.links if link.startswith(links.THUMBNAIL)]


async def test_images_of_a_real_night_are_shown(mirrored: tuple[PageContext, datetime]) -> None:
    """On the first page, a night's and a target's; and large, with places, on a product's own."""
    context, now = mirrored
    async with browsing(context, now) as browser:
        (first, *_) = await thumbnails(browser, "/")
        got = await browser.get(first)
        assert max(as_image(got).size) <= 160
        assert "max-age" in got.headers["Cache-Control"]
        page = await browser.page("/night/20251023?type=exposure")
        (target, *_) = [each for each in page.links if each.startswith(links.TARGET)]
        for address in ("/night/20251023?type=exposure", target):
            page = await browser.page(address)
            assert 'loading="lazy"' in page.text
            (path, *_) = [each for each in page.links if each.startswith(links.THUMBNAIL)]
            as_image(await browser.get(path))
        own = links.PRODUCT + path.removeprefix(links.THUMBNAIL).partition("?")[0]
        shown = (await browser.page(own)).attributes["viewer-picture"]
        assert target.partition("=")[2] in shown["alt"]
        picture = shown["src"]
        size = as_image(await browser.get(picture)).size
        places = json.loads((await browser.get(picture.replace(links.PREVIEW, links.PLACES))).body)
        assert places["size"] == list(size)
        assert places["panels"][0]["sky"]["middle"]
        kept = [each.stat() for each in (context.state / PREVIEWS).iterdir()]
        assert browser.site.preview_counts.kept_bytes >= sum(each.st_size for each in kept) > 0


async def test_another_content_is_another_picture(tmp_path: Path) -> None:
    """After a file was replaced the page names another address, which shows the new picture."""
    one = product(0)
    with made_by_hand(tmp_path) as catalog:
        enter(catalog, [at(one, 150.0, 17.0, "SN2024wex")])
        put(tmp_path, catalog, one, fits_image())
        async with browsing(context_of(tmp_path), utc_now()) as browser:
            (before,) = await thumbnails(browser, "/")
            old = await browser.get(before)
            assert as_image(old).size == (100, 55)
            put(tmp_path, catalog, one, fits_image(shape=(120, 120)))
            (after,) = await thumbnails(browser, "/?again=1")
            assert after != before
            assert as_image(await browser.get(after)).size == (120, 120)
            late = await browser.get(before)
            assert as_image(late).size == (120, 120)
            assert late.headers["Cache-Control"] == "no-store"


async def test_what_is_no_image_has_a_sign(tmp_path: Path) -> None:
    """Damaged, changed, gone, a link, no FITS, no such HDU: a picture says so; never an error."""
    good, bad, gone, changed = (product(number) for number in range(4))
    linked, behind = product(4), product(5, ImageType.DIFF)
    all_of_them = (good, bad, gone, changed, linked, behind)
    with made_by_hand(tmp_path) as catalog:
        enter(catalog, (at(one, 150.0, 17.0, "SN") for one in all_of_them))
        for one in (good, gone, changed, linked, behind):
            put(tmp_path, catalog, one, fits_image())
        put(tmp_path, catalog, bad, fits_image()[:5000])
    (tmp_path / path_of(gone)).unlink()
    (tmp_path / path_of(changed)).write_bytes(fits_image(200.0))
    (tmp_path / path_of(linked)).unlink()
    (tmp_path / path_of(linked)).symlink_to(tmp_path / path_of(good))
    directory = (tmp_path / path_of(behind)).parent
    directory.symlink_to(directory.rename(tmp_path / "elsewhere"))
    context = context_of(tmp_path)
    async with browsing(context, utc_now()) as browser:
        for one, said in (
            (bad, "cut short"),
            (gone, "cannot be opened"),
            (changed, "not as it was downloaded"),
            (linked, "cannot be opened"),
            (behind, "cannot be opened"),
        ):
            for place in (links.THUMBNAIL, links.PREVIEW):
                assert said in as_sign(await browser.get(place + path_of(one)))
            places = await browser.get(links.PLACES + path_of(one))
            assert said in json.loads(places.body)["reason"]
        assert "no HDU 7" in as_sign(await browser.get(f"{links.PREVIEW}{path_of(good)}?hdu=7"))
        os.replace(tmp_path / path_of(good), tmp_path / path_of(changed))  # noqa: PTH105 - as is
        as_image(await browser.get(links.THUMBNAIL + path_of(changed)))
    async with browsing(replace(context, previews=0), utc_now()) as browser:
        assert await thumbnails(browser, "/") == []
        assert "turned off" in as_sign(await browser.get(links.THUMBNAIL + path_of(good)))


@pytest.mark.parametrize("place", [links.THUMBNAIL, links.PREVIEW, links.PLACES])
async def test_only_products_have_previews(tmp_path: Path, place: str) -> None:
    """A path that the catalog does not have is not looked for, and nothing is drawn or written."""
    (tmp_path / "x.fits").write_bytes(fits_image())
    one = product(0)
    with made_by_hand(tmp_path) as catalog:
        enter(catalog, [at(one, 150.0, 17.0, "SN")])
        put(tmp_path, catalog, one, fits_image())
    outside = ("x.fits", "../x.fits", "%2e%2e/x.fits", "%2fetc%2fpasswd", "", "%00")
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        for path in (*outside, one.filename, one.savepath):
            assert (await browser.get(place + path)).status == 404
        assert not (tmp_path / STATE_DIR / PREVIEWS).exists()
        assert browser.site.preview_counts.made == 0


@settings(max_examples=4)
@given(HOSTILE)
def test_a_reason_is_text(reason: str) -> None:
    """Whatever a library says of a file stands in the sign as words."""
    sign = no_preview(links.THUMBNAIL, reason, context_of(Path("x"))).body
    tags = {each.tag.rpartition("}")[2] for each in ET.fromstring(sign).iter()}  # noqa: S314 - ours
    assert tags == {"svg", "rect", "text"}
    assert f"<{SIGN}".encode() not in sign
