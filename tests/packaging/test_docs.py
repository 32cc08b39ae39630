"""Whatever the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from winter_sync.cli.app import app

CHECKOUT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    path for path in (*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")) if path.is_file()
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
COMMAND = re.compile(r"winter-sync (?:--\S+ )*([a-z]+)\b")
SCRIPT = re.compile(r"(?<![\w/.])((?:scripts|tools|tests|\.ci)/[\w./-]+)(?:::(\w+))?")
CITATION = re.compile(r"""winter-api\.md\W+(?:s \(")?([^"]+)\"""")
KNOWN = frozenset(typer.main.get_command(app).commands)  # type: ignore[attr-defined] # a group
PROSE = {"keeps", "needs", "an"}
"""Words that follow the project's name in a sentence, not as a command."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link to a file of the project leads to one."""
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_scripts_and_tests_exist(document: Path) -> None:
    """Every script, test file and test that is named exists."""
    for path, name in SCRIPT.findall(document.read_text()):
        assert (CHECKOUT / path).exists(), path
        assert not name or f"def {name}(" in (CHECKOUT / path).read_text(), f"{path}::{name}"


def test_facts_have_their_source() -> None:
    """Every heading of the page on the archive's API that the code cites is there."""
    page = (CHECKOUT / "docs" / "winter-api.md").read_text()
    headings = set(re.findall(r"^###? (.+)$", page, re.MULTILINE))
    code = " ".join(
        word
        for path in (CHECKOUT / "winter_sync").rglob("*.py")
        for word in path.read_text().split()
        if word != "#"
    )
    cited = CITATION.findall(code)
    assert len(cited) == code.count("winter-api.md")
    assert {
        name for name in cited if not any(heading.startswith(name) for heading in headings)
    } == set()


@pytest.mark.parametrize("page", ["README.md", "docs/commands-at-a-glance.md"])
def test_commands_exist(page: str) -> None:
    """Every command that these pages show is one that the program has."""
    shown = {
        word
        for block in re.findall(r"`[^`]+`|```.*?```", (CHECKOUT / page).read_text(), re.DOTALL)
        for word in COMMAND.findall(block)
    } - PROSE
    assert shown
    assert shown <= KNOWN


def test_every_command_is_at_a_glance() -> None:
    """The table of commands lacks none."""
    table = (CHECKOUT / "docs" / "commands-at-a-glance.md").read_text()
    rows = {name for row in table.splitlines() if row[:1] == "|" for name in COMMAND.findall(row)}
    assert rows >= KNOWN


def test_the_readme_is_short() -> None:
    """What somebody needs first is on one screen; all else is a link away."""
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 80


def test_the_release_notes_are_short() -> None:
    """What is new in a release is read in a few minutes: no record of how it came to be."""
    assert len((CHECKOUT / "CHANGELOG.md").read_text().splitlines()) <= 160


def test_a_page_begins_with_what_it_is_for() -> None:
    """After the heading of a page comes a sentence, not a table, a block or another heading."""
    for document in DOCUMENTS:
        heading, blank, first = document.read_text().splitlines()[:3]
        assert heading.startswith("# "), document
        assert not blank
        assert re.match(r"(?!```)[`\[*]*\w", first), document
