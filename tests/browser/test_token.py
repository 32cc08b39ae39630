"""Pages that ask for a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser.chromium import FOLLOWING, View
from browser.servers import web

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from browser.chromium import Chromium

TOKEN = "a token of the tests"


@pytest.mark.parametrize("view", [View(400), View(scheme="dark")], ids=str)
def test_a_token_typed_once_opens_every_page(
    mirror_of: Callable[[int], Path], tmp_path: Path, view: View, chromium: Chromium
) -> None:
    """The page that asks for it is as sound as the others; then it is in no address and no page."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    with (
        web(mirror_of(3), "--token-file", tmp_path / "token") as address,
        chromium.window(address, view) as window,
    ):
        window.open("/nights", 401)
        window.check()
        window.page.keyboard.press("Tab")
        window.page.keyboard.type(TOKEN)
        window.expected_status = 200
        window.page.keyboard.press("Enter")
        window.page.wait_for_selector("text=All programs")
        assert window.page.url == f"{address}/nights"
        window.page.wait_for_selector(f"text={FOLLOWING}")
        window.open("/")
        window.page.wait_for_selector(f"text={FOLLOWING}")
        window.check()
        assert TOKEN not in window.page.content()
        assert window.page.evaluate("document.cookie") == ""
        assert window.findings == []
