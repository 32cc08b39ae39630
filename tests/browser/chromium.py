"""Debian's Chromium without a screen, and what it finds wrong with a page."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

EXECUTABLE = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FOLLOWING = "This page follows the mirror"


@dataclass(frozen=True, slots=True)
class View:
    """How a page is looked at.

    Parameters
    ----------
    width
        Of the window, CSS pixels.
    scheme
        Which colours the browser asks for: light or dark.
    zoom
        How much larger everything is drawn.
    """

    width: int = 1280
    scheme: str = "light"
    zoom: int = 1

    @property
    def options(self) -> dict[str, Any]:
        """The same for a new context; a zoomed window has fewer CSS pixels."""
        return {
            "viewport": {"width": self.width // self.zoom, "height": 800 // self.zoom},
            "device_scale_factor": self.zoom,
            "color_scheme": self.scheme,
        }

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}" + (f"-zoom{self.zoom}" if self.zoom > 1 else "")


VIEWS = (
    View(),
    View(scheme="dark"),
    View(400),
    View(400, "dark"),
    View(zoom=2),
)


@dataclass
class Window:
    """An open window, and what went wrong in it.

    Parameters
    ----------
    page
        What is driven.
    address
        Of the server: nothing may be requested of another one.
    findings
        What went wrong, a line each.
    """

    page: Page
    address: str
    findings: list[str] = field(default_factory=list)
    expected_status: int = 200

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._find(f"script failed: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", self._check_request)
        self.page.on("requestfailed", self._fail)
        self.page.on("response", self._check_response)

    def open(self, path: str, status: int = 200) -> None:
        """Open a page of the server, and wait until all that it needs is there."""
        self.expected_status = status
        answer = self.page.goto(self.address + path, wait_until="load")
        if answer is None or answer.status != status:
            self._find(f"{path} was answered with {answer and answer.status}, not {status}")

    def check(self) -> None:
        """Look for what is wrong with the page as it stands."""
        page = self.page
        width, room = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if width > room:
            self._find(f"the page is {width} px wide in a window of {room}")
        for violation in Axe().run(page).response["violations"]:
            places = [node["html"][:200] for node in violation["nodes"][:3]]
            self._find(f"axe, {violation['impact']}: {violation['help']}: {places}")

    def _find(self, text: str) -> None:
        self.findings.append(f"{self.page.url.removeprefix(self.address)}: {text}")

    def _hear(self, message: Any) -> None:  # noqa: ANN401 - Playwright's
        is_the_page = message.location.get("url") == self.page.url
        if is_the_page and f"status of {self.expected_status} " in message.text:
            return
        if message.type in {"error", "warning"}:
            self._find(f"console, {message.type}: {message.text}")

    def _dismiss(self, dialog: Any) -> None:  # noqa: ANN401 - Playwright's
        self._find(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def _check_request(self, request: Any) -> None:  # noqa: ANN401 - Playwright's
        if not request.url.startswith((self.address + "/", "data:", "blob:")):
            self._find(f"another machine was asked: {request.url}")

    def _fail(self, request: Any) -> None:  # noqa: ANN401 - Playwright's
        if request.failure != "net::ERR_ABORTED":  # The page was left meanwhile.
            self._find(f"request failed: {request.url}: {request.failure}")

    def _check_response(self, response: Any) -> None:  # noqa: ANN401 - Playwright's
        is_the_page = response.request.is_navigation_request()
        if response.status >= 400 and not (is_the_page and response.status == self.expected_status):
            self._find(f"{response.url} was answered with {response.status}")


@dataclass
class Chromium:
    """A browser that runs."""

    browser: Browser

    @contextmanager
    def window(self, address: str, view: View | None = None, **options: object) -> Iterator[Window]:
        """Open a window without any history; close it afterwards."""
        context = self.browser.new_context(**{**(view or View()).options, **options})
        try:
            yield Window(context.new_page(), address)
        finally:
            context.close()


@contextmanager
def running() -> Iterator[Chromium]:
    """Run the browser, with an empty profile of its own, until it is not needed any more."""
    if EXECUTABLE is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(ARGUMENTS))
        try:
            yield Chromium(browser)
        finally:
            browser.close()
