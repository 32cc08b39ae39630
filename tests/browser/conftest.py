"""Mirrors to look at, a real browser, and the table of what it looked at.

What these tests need is not in the ordinary environment: `scripts/try_browser` installs it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from browser.chromium import Chromium
    from browser.table import Table

IS_INSTALLED = find_spec("playwright") is not None
collect_ignore_glob = [] if IS_INSTALLED else ["test_*.py"]
TABLE: pytest.StashKey[Table] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all that needs a browser to its own command."""
    for test in items:
        if "browser" in test.path.parts:
            test.add_marker(pytest.mark.slow)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was looked at."""
    looked_at = config.stash.get(TABLE, None)
    for line in looked_at.lines() if looked_at else ():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """Return the table of what was looked at."""
    from browser.table import Table  # noqa: PLC0415 - beside what may not be installed

    return pytestconfig.stash.setdefault(TABLE, Table())


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Run a browser."""
    from browser.chromium import running  # noqa: PLC0415 - it may not be installed

    with running() as browser:
        yield browser


@pytest.fixture(scope="session")
def mirror_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return what makes mirrors of no night, three and four hundred, each when first asked for."""
    from browser.mirrors import make_mirror  # noqa: PLC0415 - beside what may not be installed

    directory = tmp_path_factory.mktemp("mirrors")
    return cache(lambda nights: make_mirror(nights, directory / f"mirror-{nights}"))
