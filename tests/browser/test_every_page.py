"""Every page in a real browser, with no night, three and four hundred."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from browser.chromium import VIEWS, View
from browser.crawl import ABSENT, find_pages, route_of, routes_of_pages
from browser.mirrors import MANY
from browser.servers import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from browser.chromium import Chromium
    from browser.table import Table

NIGHTS = (0, 3, MANY)
# The viewer of an image has buttons, a scale and names of boards with scripts.
_WORDS_AND_LINKS = """() => {
  const main = document.querySelector("main").cloneNode(true);
  main.querySelectorAll("section[aria-labelledby=preview]").forEach(each => each.remove());
  const links = [...main.querySelectorAll("a[href]")].map(each => each.getAttribute("href"));
  return [main.textContent.split(/\\s+/), links];
}"""


@pytest.fixture(scope="module", params=NIGHTS)
def site(
    request: pytest.FixtureRequest, mirror_of: Callable[[int], Path]
) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Serve a mirror; return how many nights it has, the address, and a page of each kind."""
    nights = request.param
    with web(mirror_of(nights)) as address:
        yield nights, address, find_pages(address)


def test_every_route_is_looked_at(site: tuple[int, str, dict[str, str]]) -> None:
    """A new page that no link leads to would be seen by nobody, and by none of these tests."""
    nights, _, pages = site
    if nights:
        reached = {route_of(address) for address in pages.values()}
        assert set(routes_of_pages()) <= reached


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_nothing_is_wrong_with_any_page(
    site: tuple[int, str, dict[str, str]], view: View, chromium: Chromium, table: Table
) -> None:
    """No error, no other host, no finding of axe, no scrolling sideways, in any view."""
    nights, server, pages = site
    todo = [(kind, path, 200) for kind, path in pages.items()]
    todo += [(f"{path} (absent)", path, 404) for path in ABSENT]
    with chromium.window(server, view) as window:
        for kind, path, status in todo:
            before = len(window.findings)
            began = time.perf_counter()
            window.open(path, status)
            took = time.perf_counter() - began
            window.check()
            table.add(kind, nights, took, len(window.findings) - before)
        assert window.findings == []


def test_pages_say_the_same_without_scripts(
    site: tuple[int, str, dict[str, str]], chromium: Chromium
) -> None:
    """Whoever forbids scripts reads the same words, and can follow the same links."""
    _, server, pages = site
    said: dict[bool, list[object]] = {}
    for scripts in (True, False):
        said[scripts] = []
        with chromium.window(server, java_script_enabled=scripts) as window:
            for path in pages.values():
                window.open(path)
                said[scripts].append((path, window.page.evaluate(_WORDS_AND_LINKS)))
                for picture in window.page.locator("#viewer-picture").all():
                    assert picture.evaluate("each => each.naturalWidth") > 0
            assert window.findings == []
    assert said[False] == said[True]


@pytest.mark.parametrize("wanted", ["reduce", "no-preference"])
def test_nothing_moves_by_itself(
    site: tuple[int, str, dict[str, str]], chromium: Chromium, wanted: str
) -> None:
    """Nothing scrolls smoothly, moves or fades: neither for who asks for that, nor for others."""
    _, server, pages = site
    moving = (
        "[...document.querySelectorAll('*')].filter(each => { const style = getComputedStyle(each);"
        " return style.scrollBehavior === 'smooth' || style.animationName !== 'none'"
        " || style.transitionDuration !== '0s'; }).map(each => each.outerHTML.slice(0, 80))"
    )
    with chromium.window(server, reduced_motion=wanted) as window:
        for path in pages.values():
            window.open(path)
            assert window.page.evaluate(moving) == [], path
