"""Run docs/tutorial.ipynb in a Jupyter kernel, on a mirror of the simulated observatory.

`scripts/tutorial` writes its outputs anew; the tests only run it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"
PROGRAM = "2024A000"
SCALE = "0.2"
"""Of the edges of images: large enough to see stars in a cutout, and small enough to be quick."""
_SETTINGS = """
[api]
base_url = "{url}"
user = "{user}"
password = "{password}"
request_interval = "0s"
[mirror]
root = "winter"
min_free = 0
[[programs]]
name = "2024A000"
api_key = "{key}"
image_types = ["exposure", "stack", "diff", "avro"]
"""
_LONGEST_CELL_SECONDS = 300
_SPAN = ("--from", "20240101", "--to", "20240301")


def read_tutorial() -> NotebookNode:
    """Return the tutorial as it is in the documentation."""
    notebook: NotebookNode = nbformat.reads(TUTORIAL.read_text(), as_version=4)  # type: ignore[no-untyped-call]  # it has no types
    return notebook


def run_tutorial(directory: Path) -> NotebookNode:
    """Return the tutorial with the outputs of its cells, run in this directory.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    """
    notebook = read_tutorial()
    with mirrored(directory) as environment:
        client = NotebookClient(
            notebook,
            timeout=_LONGEST_CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(directory)}},
        )
        client.execute(env=environment)
    return notebook


@contextmanager
def mirrored(directory: Path) -> Iterator[dict[str, str]]:
    """Mirror the tutorial's program in a directory, as its text says; yield the environment."""
    command = [sys.executable, "-m", "winter_sync"]
    settings = directory / "winter.toml"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TUTORIAL.parent.parent),
        "HOME": str(directory),
        "WINTER_SYNC_CONFIG": str(settings),
    }
    simulate = [*command, "simulate", "--port", "0", "--scale", SCALE]
    with subprocess.Popen(  # noqa: S603 - our own code
        simulate, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True
    ) as simulator:
        try:
            settings.touch(0o600)
            said = _said_at_start(simulator)
            settings.write_text(_SETTINGS.format(**_account(said)))
            backfill = [*command, "backfill", *_SPAN]
            subprocess.run(  # noqa: S603 - our own code
                backfill, cwd=directory, env=environment, check=True, capture_output=True
            )
            yield environment
        finally:
            simulator.terminate()


def _said_at_start(simulator: subprocess.Popen[str]) -> str:
    """Return what a simulator prints when it is ready."""
    said = ""
    while simulator.stdout and "\nnights " not in said:
        line = simulator.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator did not start: {said}")
        said += line
    return said


def _account(said: str) -> dict[str, str]:
    """Return the account that a simulator printed."""
    printed = (
        r"listening on (?P<url>\S+).*user (?P<user>\S+) password (?P<password>\S+).*"
        rf"program {PROGRAM} key (?P<key>\S+)"
    )
    found = re.search(printed, said, re.DOTALL)
    if found is None:
        raise RuntimeError(f"the simulator printed no account: {said}")
    return found.groupdict()


def main() -> None:
    """Write the outputs of the tutorial anew."""
    with TemporaryDirectory() as directory:
        notebook = run_tutorial(Path(directory))
    TUTORIAL.write_text(nbformat.writes(notebook) + "\n")  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
