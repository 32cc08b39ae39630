"""The progress of a check of files: drawn on a terminal, otherwise in the log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.command import run_on_terminal, served, settings_file

from winter_sync.cli.progress.check_progress import CheckProgress
from winter_sync.cli.progress.display import EVERY_SECONDS
from winter_sync.core.errors import ExitCode
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_drawn_on_a_terminal_and_gone_at_the_end(tmp_path: Path) -> None:
    """Files done out of all, bytes, a bar; in the end only the line of the result remains."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        run_on_terminal("--config", settings, "sync", home=tmp_path)
        said = run_on_terminal("--config", settings, "verify", home=tmp_path)
    files = len(list((tmp_path / "winter").rglob("*_stack.fits")))
    assert said.code == ExitCode.DONE
    assert f"{files}/{files}" in said.out
    assert said.out.rstrip().endswith("all are as they were downloaded.")


def test_progress_is_logged_now_and_then() -> None:
    """Where nobody watches: a line every half minute, and none if nothing happens."""
    now = 0.0
    stream = io.StringIO()
    logger = configure_logging(str, level="info", form="json", stream=stream)
    with CheckProgress(Console(file=io.StringIO()), logger, 100, 1000, lambda: now) as view:
        for second in range(90):
            now = float(second)
            view.add(1, 10)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 90 // EVERY_SECONDS - 1
    assert '"done": 31, "left": 69, "bytes": 310' in lines[0]


@given(st.integers(1, 200), st.integers(0, 100), st.sampled_from(["utf-8", "ascii"]))
def test_it_fits_every_terminal(width: int, done: int, encoding: str) -> None:
    """It is one line, however narrow the terminal; the number of files is the last to be cut."""
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=output, width=width)
    now = 0.0
    logger = configure_logging(str, level="error", form="json", stream=io.StringIO())
    with CheckProgress(console, logger, 100, 10**9, lambda: now) as progress:
        progress.add(done, done * 10**7)
        now = 10.0
        console.print(progress)
    output.seek(0)
    (line,) = output.read().splitlines()
    assert len(line) <= width
    assert f"{done}/100" in line or width < len(f"{done}/100")
