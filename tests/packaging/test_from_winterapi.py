"""The page for users of winterapi: each of its lines finds what the notebook found."""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.command import CHECKOUT, run, settings_file

from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Simulator,
    SimulatorOptions,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "2024A000"
PAGE = (CHECKOUT / "docs" / "from-winterapi.md").read_text()
LINES = re.findall(r"^winter-sync (list .*?) +# \d: (\d+)$", PAGE, re.MULTILINE)


@contextmanager
def default_simulator() -> Iterator[Simulator]:
    """Serve what `simulate` serves without options."""
    simulator = Simulator(SimulatorOptions().observatory())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
        yield simulator
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Return a home that mirrors the notebook's program but for its exposures, and its settings."""
    directory = tmp_path_factory.mktemp("home")
    with default_simulator() as archive:
        settings = settings_file(
            directory,
            api={"base_url": archive.url, "user": DEFAULT_USER, "password": DEFAULT_PASSWORD},
            programs=(
                {
                    "name": PROGRAM,
                    "api_key": key_of(PROGRAM),
                    "image_types": ["exposure", "raw", "science", "stack", "diff", "avro"],
                },
            ),
        )
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
