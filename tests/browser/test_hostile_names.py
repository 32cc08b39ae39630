"""Names that the archive wrote to harm: a browser shows them as text, and in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser.chromium import View
from browser.crawl import find_pages
from browser.servers import web
from pages.test_hostile import fill

if TYPE_CHECKING:
    from pathlib import Path

    from browser.chromium import Chromium

_HARM = "alert(1)"
NAMES = {
    "script": f"<script>{_HARM}</script>",
    "image": f'"><img src=x onerror={_HARM}>',
    "link": f"javascript:{_HARM}",
    "long": "W" * 300,
    "long-words": "a very long name of a target " * 10,
    "right-to-left": "هدف العنقود النجمي ١٢٣",
    "override": "NGC\u202e1234\u2066 gnp",
    "combining": "Z\u0335\u0334\u0321\u0352\u0350" * 20,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_hostile_names_are_text_in_their_place(
    tmp_path: Path, name: str, chromium: Chromium
) -> None:
    """No script runs, nothing is fetched, nothing is pushed out of the window or turned around."""
    file = "".join(letter for letter in name if letter.isprintable() and letter not in "/\\")[:120]
    fill(tmp_path / "winter", target=name, name=file, reason=name, version=name)
    with web(tmp_path / "winter") as address:
        found = find_pages(address)
        for width in (1280, 400):
            with chromium.window(address, View(width)) as window:
                for path in found.values():
                    window.open(path)
                    window.check()
                    assert window.page.locator("main script, main img[src=x]").count() == 0
                window.open(found["/target?name"])
                shown = f"{name}\u202e".replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
                assert window.page.locator("h1").inner_text().split() == shown.split()
                assert window.findings == []
