"""Fixtures that several kinds of test share."""

from __future__ import annotations

import faulthandler
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.rig import DownloadLog, Rig

from winter_sync.simulator import Observatory, Simulator, demo_universe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


# How long an example takes is the machine's affair; speed is measured in benchmarks/.
# Fewer examples every day; `--hypothesis-profile thorough` tries many.
settings.register_profile("ours", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("ours")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that take minutes the time that they take."""
    for test in items:
        if test.get_closest_marker("slow"):
            test.add_marker(pytest.mark.timeout(0))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the process of a test that takes minutes live on."""
    if item.get_closest_marker("slow"):
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Let commands be interrupted although whoever runs the tests in the background is not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the roots of tests out of the memory of the user who runs them."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of the user who runs the tests stand between them and their servers."""
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def download_log() -> DownloadLog:
    """Return a note of what was downloaded from `rig`."""
    return DownloadLog()


@pytest.fixture
async def rig(tmp_path: Path, download_log: DownloadLog) -> AsyncIterator[Rig]:
    """Return a mirror, yet empty, of the demonstration night, settled, at a tiny scale."""
    async with Simulator(Observatory(demo_universe()), faults=download_log) as simulator:
        yield Rig(simulator, tmp_path / "winter")
