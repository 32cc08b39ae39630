"""Lines are broken for a terminal without cutting what somebody reads, copies or types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.command import run, run_on_terminal

from winter_sync.cli.process import own_name
from winter_sync.cli.wrapping import wrap
from winter_sync.core import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P"), exclude_characters="`"))
PARTS = st.lists(WORDS.filter(bool) | st.just("`winter-sync init --yes`"), min_size=1)


@given(PARTS, st.integers(10, 100))
def test_words_and_commands_stay_whole(parts: list[str], width: int) -> None:
    """Each is on one line, and only what is longer than a line makes one too long."""
    broken = wrap(" ".join(parts), width, "  ")
    assert " ".join(broken.split()) == " ".join(parts)
    for part in parts:
        assert part in broken
    for line in broken.split("\n"):
        assert len(line) <= width or line.strip() in parts


def test_nothing_is_broken_for_a_pipe() -> None:
    """A script finds each message on a line."""
    text = "word " * 50
    assert wrap(text, None) == text


def test_errors_fit_a_terminal(tmp_path: Path) -> None:
    """All that is missing is named on lines of 80 columns; in a pipe each has one line."""
    drawn = run_on_terminal("sync", home=tmp_path)
    assert drawn.code == ExitCode.USAGE
    assert max(map(len, drawn.out.splitlines())) <= 80
    assert "WINTER_API_USER," in drawn.out
    said = run("sync", home=tmp_path)
    assert " ".join(said.err.split()) == " ".join(drawn.out.split())
    assert len(said.err.splitlines()) == 6


def test_the_next_command_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment that is not on the PATH it is named by its path."""
    program = tmp_path / "my venv/winter-sync"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_name() == f"'{program}'"
    (tmp_path / "winter-sync").symlink_to(program)
    assert own_name() == "winter-sync"


def test_no_line_of_the_list_of_commands_is_cut(tmp_path: Path) -> None:
    """What a command is for is said in one short line."""
    text = run_on_terminal("--help", home=tmp_path).out
    assert "Ask for what a mirror needs" in text
    assert "..." not in text.partition("Commands:")[2]
