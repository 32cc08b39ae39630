"""Open pages follow the mirror without being loaded again, also through a cut."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from browser.chromium import FOLLOWING
from browser.servers import address_in, process, web
from support.command import command, environment_of, served, settings_file

from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from pathlib import Path

    from browser.chromium import Chromium, Window

    from winter_sync.simulator import Answer, Call

_PATIENCE = 60_000
"""Milliseconds for what takes two seconds on an idle machine."""
NOT_YET = "Nothing was downloaded yet."
CUT = "The server does not answer; trying again."


class Closed(Faults):
    """An archive that hands out nothing until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    async def before_zip(self, call: Call) -> Answer | None:
        """Wait with every download."""
        await asyncio.to_thread(self.opened.wait, _PATIENCE / 1000)
        return await super().before_zip(call)


def mark(window: Window) -> None:
    """Leave a mark in the page, which is lost if it is loaded again."""
    window.page.evaluate("window.marked = true")


def is_marked(window: Window) -> bool:
    """Return whether the page is still the one that was marked."""
    return window.page.evaluate("window.marked === true") is True


def expect(window: Window, text: str, *, gone: bool = False) -> None:
    """Wait until the page has a text, or no longer has it."""
    state: Literal["detached", "attached"] = "detached" if gone else "attached"
    window.page.get_by_text(text).first.wait_for(state=state, timeout=_PATIENCE)


def sync(settings: Path) -> None:
    """Mirror what is listed, by a command of its own."""
    subprocess.run(  # noqa: S603 - our own code
        command("--config", settings, "sync"),
        env=environment_of(settings.parent),
        cwd=settings.parent,
        capture_output=True,
        check=True,
    )


def settings_of(directory: Path, archive: str) -> Path:
    """Write settings of a mirror with pages."""
    return settings_file(
        directory,
        programs=[{"image_types": ["stack", "diff"]}],
        api={"base_url": archive},
        http={"listen": "127.0.0.1:0"},
    )


def test_a_page_of_the_daemon_shows_what_arrives(tmp_path: Path, chromium: Chromium) -> None:
    """A download that is under way, its products and their night come into an open page."""
    archive = Closed()
    with (
        served(archive) as simulator,
        process("--config", settings_of(tmp_path, simulator.url), "run", home=tmp_path) as daemon,
        chromium.window(address_in(daemon, "pages served")) as window,
    ):
        # A daemon that begins says so, and the page comes by itself once it has begun.
        window.page.goto(window.address)
        expect(window, "Downloads that are under way")
        window.findings.clear()
        mark(window)
        expect(window, NOT_YET)
        archive.opened.set()
        expect(window, NOT_YET, gone=True)
        expect(window, "Nothing is being downloaded.")
        assert window.page.locator("#arrival-list a").count() > 0
        assert window.page.locator("#night-grid td.full").count() > 0
        expect(window, "last change shown at")
        assert is_marked(window)
        assert window.findings == []


def test_a_page_follows_the_mirror_again_after_a_cut(tmp_path: Path, chromium: Chromium) -> None:
    """It says that nobody answers; once somebody does, it shows what came in the meantime."""
    with served() as simulator, ExitStack() as servers:
        settings = settings_of(tmp_path, simulator.url)
        sync(settings)
        root = tmp_path / "winter"
        first = servers.enter_context(ExitStack())
        address = first.enter_context(web(root))
        window = servers.enter_context(chromium.window(address))
        window.open("/")
        expect(window, FOLLOWING)
        mark(window)
        nights = window.page.locator("#night-grid thead").all_inner_texts()
        assert not any("raw" in each for each in nights)
        first.close()
        expect(window, CUT)
        settings.write_text(settings.read_text().replace('"diff"', '"diff", "raw"'))
        sync(settings)
        assert window.page.locator("#night-grid thead").all_inner_texts() == nights
        servers.enter_context(web(root, listen=urlsplit(address).netloc))
        window.page.locator("#night-grid thead").get_by_text("raw").wait_for(timeout=_PATIENCE)
        expect(window, FOLLOWING)
        assert is_marked(window)
        refused = [each for each in window.findings if "ERR_CONNECTION_REFUSED" not in each]
        assert [each for each in refused if "ERR_INCOMPLETE_CHUNKED" not in each] == []


def test_what_a_reader_is_doing_is_left_alone(tmp_path: Path, chromium: Chromium) -> None:
    """A change neither moves the focus, nor folds what was opened, nor scrolls."""
    with served() as simulator:
        settings = settings_of(tmp_path, simulator.url)
        sync(settings)
        with web(tmp_path / "winter") as address, chromium.window(address) as window:
            window.open("/")
            expect(window, FOLLOWING)
            link = window.page.locator("#night-grid a").first
            link.focus()
            window.page.evaluate("scrollTo({top: 120, behavior: 'instant'})")
            settings.write_text(settings.read_text().replace('"diff"', '"diff", "raw"'))
            sync(settings)
            expect(window, "last change shown at")
            assert link.evaluate("each => each === document.activeElement")
            assert window.page.evaluate("scrollY") == 120
            assert window.findings == []
