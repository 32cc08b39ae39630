"""The pages without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from browser.crawl import find_pages
from browser.servers import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from browser.chromium import Chromium, Window

_WANTED = """[...document.querySelectorAll(
  'a[href], button, input, select, summary, textarea, [tabindex="0"]'
)].filter(
  each => each.tabIndex >= 0 && !each.disabled && each.type !== 'hidden' && each.checkVisibility()
).map((each, at) => { each.dataset.at = at; return at; })"""
_FOCUSED = """() => {
  const each = document.activeElement;
  if (!each || each === document.body) return null;
  const style = getComputedStyle(each), box = each.getBoundingClientRect();
  return {
    at: Number(each.dataset.at ?? -1),
    html: each.outerHTML.slice(0, 120),
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth,
  };
}"""


@pytest.fixture(scope="module")
def site(mirror_of: Callable[[int], Path]) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve the mirror of three nights; return the address, and a page of each kind."""
    with web(mirror_of(3)) as address:
        yield address, find_pages(address)


def walk(window: Window, most: int) -> list[dict[str, Any]]:
    """Press Tab until the page is left; return what had the focus."""
    found: list[dict[str, Any]] = []
    for _ in range(most):
        window.page.keyboard.press("Tab")
        focused = window.page.evaluate(_FOCUSED)
        # From the end Tab leads out, or where nothing else is open, to the beginning.
        if focused is None or (found and focused["at"] == found[0]["at"]):
            return found
        found.append(focused)
    raise AssertionError(f"the page cannot be left: {found[-3:]}")


@pytest.mark.parametrize("width", [1280, 400])
def test_the_keyboard_alone_reaches_everything(
    site: tuple[str, dict[str, str]], chromium: Chromium, width: int
) -> None:
    """Tab goes through all there is to use, in the order of the page, always seen, and out."""
    server, pages = site
    with chromium.window(server, viewport={"width": width, "height": 800}) as window:
        for path in pages.values():
            window.open(path)
            if window.page.locator("#viewer").count():
                window.page.locator("#viewer.live").wait_for()
            wanted = window.page.evaluate(_WANTED)
            walked = walk(window, len(wanted) + 30)
            assert [each["at"] for each in walked] == wanted, path
            assert [each for each in walked if not (each["outlined"] and each["seen"])] == [], path


def test_the_first_link_leads_past_the_menu(
    site: tuple[str, dict[str, str]], chromium: Chromium
) -> None:
    """It is seen when it has the focus; the next Tab then goes on within the content."""
    server, pages = site
    is_inside = "document.activeElement.closest('main, footer') !== null"
    with chromium.window(server) as window:
        for path in pages.values():
            window.open(path)
            window.page.keyboard.press("Tab")
            assert window.page.evaluate("document.activeElement.className") == "skip"
            window.page.keyboard.press("Enter")
            assert window.page.evaluate("document.activeElement.id") == "main"
            window.page.keyboard.press("Tab")
            assert window.page.evaluate(is_inside), path


def test_a_night_is_searched_for_and_left_by_keys(
    site: tuple[str, dict[str, str]], chromium: Chromium
) -> None:
    """Its date typed into the search leads to it; what is folded opens by Enter."""
    server, pages = site
    night = pages["/night/"].rpartition("/")[2]
    with chromium.window(server) as window:
        window.open("/")
        for _ in range(10):
            window.page.keyboard.press("Tab")
            if window.page.evaluate("document.activeElement.id") == "q":
                break
        window.page.keyboard.type(f"{night[:4]}-{night[4:6]}-{night[6:]}")
        window.page.keyboard.press("Enter")
        window.page.wait_for_url(f"**/night/{night}")
        window.page.locator("summary").first.focus()
        window.page.keyboard.press("Enter")
        assert window.page.locator("details").first.get_attribute("open") is not None
        assert window.findings == []
