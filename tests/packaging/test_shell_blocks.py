"""The shell blocks of the documents: each command of ours is one that the program takes."""

from __future__ import annotations

import re
import shlex
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from winter_sync.cli.app import app
from winter_sync.cli.place import PLACE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    place = next(n for n, word in enumerate(arguments) if word in PROGRAM.commands)  # type: ignore[attr-defined] # it is a group
    name, *rest = arguments[place:]
    with PROGRAM.make_context("winter-sync", arguments[: place + 1]) as context:
        settings = PLACE_SETTINGS if name in {"covers", "cutout"} else {}
        PROGRAM.commands[name].make_context(name, rest, parent=context, **settings)  # type: ignore[attr-defined] # it is a group
