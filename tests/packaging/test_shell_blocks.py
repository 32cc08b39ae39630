"""The shell blocks of the documents: each command of ours is one that the program takes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main
from support.command import Said, environment_of
from support.notebook import default_simulator, notebook_settings

from winter_sync.cli.app import app
from winter_sync.cli.examples import EXAMPLES
from winter_sync.cli.group import common_first
from winter_sync.cli.place import PLACE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parent.parent.parent
DOCUMENTS = (CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROGRAM = typer.main.get_command(app)
PUNCTUATION = "();<>|&"


def commands(block: str) -> Iterator[list[str]]:
    """Return the arguments of each call of `winter-sync` in a block, also those within `$(...)`."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=PUNCTUATION)
        words.whitespace_split = True
        for ends, group in groupby(words, lambda word: set(word) <= set(PUNCTUATION)):
            called, *arguments = group
            if not ends and called.rpartition("/")[2] == "winter-sync":
                yield [argument for argument in arguments if argument != "$"]


SHOWN = [
    pytest.param(arguments, id=f"{page.name}: {' '.join(arguments)}")
    for page in DOCUMENTS
    for block in BLOCK.findall(page.read_text())
    for arguments in commands(block)
]


SHOWN += [
    pytest.param(arguments, id=f"--help: {example}")
    for examples in EXAMPLES.values()
    for example in examples
    for arguments in commands(example)
]


def test_blocks_are_found() -> None:
    """There are many, and what stands in brackets or after a pipe is among them."""
    assert len(SHOWN) > 70
    assert list(commands("ds9 $(winter-sync list --paths) | x && a/winter-sync sync # no\n")) == [
        ["list", "--paths"],
        ["sync"],
    ]


@pytest.mark.parametrize("arguments", SHOWN)
def test_the_program_takes_it(arguments: list[str]) -> None:
    """No shown command has an option or a value that the program refuses."""
    arguments = common_first(arguments)
    place = next(n for n, word in enumerate(arguments) if word in PROGRAM.commands)  # type: ignore[attr-defined] # it is a group
    name, *rest = arguments[place:]
    with PROGRAM.make_context("winter-sync", arguments[: place + 1]) as context:
        settings = PLACE_SETTINGS if name in {"covers", "cutout"} else {}
        PROGRAM.commands[name].make_context(name, rest, parent=context, **settings)  # type: ignore[attr-defined] # it is a group


RUN = ("ask", "covers", "alerts", "export", "events", "verify", "adopt", "backfill")
"""Pages whose blocks can run beside a simulated observatory."""
NEEDS_OTHERS = ("ds9", "show --samp", "benchmarks/", "--follow", ".winter-sync/broken")
"""What needs a program that draws or a long time; each is run by a test of its own."""
STANDS_FOR = {"SN2024wex": "ZTF24aaahxwr", "~/winter_images": "images", "20251023": "20240211"}
"""What the simulated observatory has, for what the pages name."""
LINES = [
    pytest.param(line, id=f"{name}: {line}")
    for name in RUN
    for block in BLOCK.findall((CHECKOUT / "docs" / f"{name}.md").read_text())
    for line in block.splitlines()
    if line.startswith("winter-sync") and not any(word in line for word in NEEDS_OTHERS)
]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Said]]:
    """Return what runs a line of a shell where everything of the notebook's program is mirrored."""
    home = tmp_path_factory.mktemp("home")
    with default_simulator() as archive:
        settings = notebook_settings(home, archive, facts=True)
        environment = {
            **environment_of(home, {"WINTER_SYNC_CONFIG": str(settings)}),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }

        def run_line(line: str) -> Said:
            ended = subprocess.run(  # noqa: S603 - the documents' own lines
                ["/bin/bash", "-ec", line],
                env=environment,
                cwd=_beside_images(tmp_path_factory.mktemp("shell")),
                capture_output=True,
                text=True,
                check=False,
            )
            return Said(ended.returncode, ended.stdout, ended.stderr)

        assert run_line("winter-sync sync").code == 0
        yield run_line


def _beside_images(directory: Path) -> Path:
    (directory / "images").mkdir()
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(line: str, shell: Callable[[str], Said]) -> None:
    """Each line of these pages does its work."""
    for shown, here in STANDS_FOR.items():
        line = line.replace(shown, here)
    if "WNTR24aaaab" in line:
        found = shell("winter-sync alerts --format json --limit 1").out
        line = line.replace("WNTR24aaaab", json.loads(found)[0]["objectid"])
    said = shell(line)
    assert said.code == 0, f"{line}\n{said.err}"
