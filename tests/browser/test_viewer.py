"""The preview of a product: zoomed and moved by wheel, buttons and keys; astropy is the judge."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from browser.servers import web

from winter_sync.catalog import Catalog, Search
from winter_sync.core import CATALOG, STATE_DIR, ImageType, utc_now
from winter_sync.core.sphere import separation
from winter_sync.pages.links import product_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from browser.chromium import Chromium

    from winter_sync.catalog import FoundProduct

_SAID = re.compile(r"x ([\d.]+), y ([\d.]+) · .* · ([\d.]+), (-?[\d.]+) deg")


@pytest.fixture(scope="module")
def root(mirror_of: Callable[[int], Path]) -> Path:
    """Return the mirror of three nights."""
    return mirror_of(3)


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[str]:
    """Serve it."""
    with web(root) as address:
        yield address


def one_of(root: Path, image_type: ImageType) -> FoundProduct:
    """Return a product of a type of which a file is here."""
    with closing(Catalog(root / STATE_DIR / CATALOG, utc_now, reading=True)) as catalog:
        numbers = catalog.searches.numbers(Search(image_types=(image_type,)))
        found = catalog.searches.found(numbers[:200])
    return next(each for each in found if each.has_file and each.product.instrument == "winter")


def under_pointer(page: Any) -> tuple[tuple[float, float], tuple[float, float]]:  # noqa: ANN401 - Playwright's
    """Return the pixel, from 1, and the position that the page says are under the pointer."""
    said = _SAID.search(page.inner_text("#viewer-position"))
    assert said is not None, page.inner_text("#viewer-position")
    x, y, ra, dec = map(float, said.groups())
    return (x, y), (ra, dec)


@pytest.mark.parametrize("width", [1280, 400])
def test_the_position_under_the_pointer_is_that_of_the_header(
    root: Path, server: str, chromium: Chromium, width: int
) -> None:
    """At any zoom and place, within a pixel of what astropy says of the pixel that is named."""
    found = one_of(root, ImageType.STACK)
    with fits.open(root / found.path) as hdus:
        wcs, shape = WCS(hdus[0].header), hdus[0].shape
    with chromium.window(server, viewport={"width": width, "height": 900}) as window:
        window.open(product_link(found.path))
        page = window.page
        page.wait_for_selector(".viewer.live")
        box = page.locator("#viewer").bounding_box()
        assert box is not None
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        pixel, _ = under_pointer(page)
        assert pixel == pytest.approx(((shape[1] + 1) / 2, (shape[0] + 1) / 2), abs=2)
        for step in range(4):
            page.mouse.wheel(0, -200)
            page.mouse.move(middle[0] + 7 * step, middle[1] - 5 * step)
            pixel, position = under_pointer(page)
            ra, dec = wcs.all_pix2world(*pixel, 1)
            truth = float(ra), float(dec)
            one_pixel = float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))))
            assert separation(position, truth) < one_pixel / 5
        assert page.locator(".viewer-overlay text").all_text_contents()[:2] == ["N", "E"]
        assert re.fullmatch(r"[\d.]+ (arcsec|arcmin|deg)", _scale(page))
        window.check()
        assert window.findings == []


def _scale(page: Any) -> str:  # noqa: ANN401 - as above
    return str(page.locator(".viewer-overlay text").all_text_contents()[-1])


def test_the_preview_is_moved_by_keys_buttons_and_dragging(
    root: Path, server: str, chromium: Chromium
) -> None:
    """Plus, minus, arrows and 0; four buttons with names; and the page says where it is now."""
    with chromium.window(server) as window:
        window.open(product_link(one_of(root, ImageType.STACK).path))
        page = window.page
        page.wait_for_selector(".viewer.live")
        viewer = page.locator("#viewer")

        def scale() -> float:
            return float(viewer.get_attribute("data-scale") or 0)

        def place() -> str:
            return str(page.evaluate("document.getElementById('viewer-picture').style.transform"))

        whole = scale()
        viewer.focus()
        for key, larger in (("+", 1.5), ("+", 2.25), ("-", 1.5)):
            page.keyboard.press(key)
            assert scale() == pytest.approx(whole * larger, rel=0.01)
        for _ in range(3):
            page.keyboard.press("+")
        for key in ("ArrowLeft", "ArrowUp"):
            before = place()
            page.keyboard.press(key)
            assert place() != before
        assert page.inner_text("#viewer-position").startswith("Middle: x ")
        page.keyboard.press("0")
        assert scale() == whole
        page.get_by_role("button", name="Zoom in").click()
        assert scale() == pytest.approx(whole * 1.5, rel=0.01)
        before, box = place(), viewer.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 2 + 20)
        page.mouse.up()
        assert place() != before
        page.get_by_role("button", name="Show the whole picture").click()
        assert scale() == whole
        assert window.findings == []


def test_boards_are_chosen_with_and_without_a_script(
    root: Path, server: str, chromium: Chromium
) -> None:
    """All of an exposure or one: a link each, named by the header once that was read."""
    path = product_link(one_of(root, ImageType.EXPOSURE).path)
    for has_script in (True, False):
        with chromium.window(server, java_script_enabled=has_script) as window:
            window.open(path)
            if has_script:
                window.page.wait_for_selector(".viewer.live")
            name = "Board 3" if has_script else "Extension 3"
            window.page.get_by_role("link", name=name).click()
            window.page.wait_for_url("**hdu=3**")
            shown = window.page.locator("#viewer-picture")
            assert "hdu=3" in (shown.get_attribute("src") or "")
            assert "xposure" in (shown.get_attribute("alt") or "")
            assert window.findings == []
