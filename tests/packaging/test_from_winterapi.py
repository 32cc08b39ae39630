"""The page for users of winterapi: each of its lines finds what the notebook found."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from support.command import CHECKOUT, run
from support.notebook import default_simulator, notebook_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "2024A000"
PAGE = (CHECKOUT / "docs" / "from-winterapi.md").read_text()
LINES = re.findall(r"^winter-sync (list .*?) +# \d: (\d+)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Return a home that mirrors the notebook's program but for its exposures, and its settings."""
    directory = tmp_path_factory.mktemp("home")
    with default_simulator() as archive:
        settings = notebook_settings(directory, archive)
        assert run("--config", settings, "sync", home=directory).code == 0
        yield directory, settings


def test_every_query_of_the_notebook_has_its_line() -> None:
    """Nine of them, with the counts that the notebook shows."""
    assert [int(count) for _, count in LINES] == [166, 8, 8, 1, 10, 4, 1, 1, 1]


def test_each_line_finds_what_the_notebook_found(home: tuple[Path, Path]) -> None:
    """In the mirror, and in the archive with --remote: the very same products."""
    directory, settings = home
    for line, count in LINES:
        found = []
        for more in ((), ("--remote",)):
            said = run("--config", settings, *shlex.split(line), *more, home=directory)
            assert said.code == 0, said.err
            rows = said.out.splitlines()[1:]
            found.append(sorted(row.split(",")[-2] for row in rows))
        assert len(found[0]) == int(count), line
        assert found[0] == found[1], line
