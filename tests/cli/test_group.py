"""The common options, wherever they stand; examples, and words with commas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import typer
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from support.command import run

from winter_sync.cli.app import app
from winter_sync.cli.commands.backfill import span_of
from winter_sync.cli.examples import EXAMPLES
from winter_sync.cli.group import COMMON, common_first
from winter_sync.cli.options import choice_of, lists_of
from winter_sync.core import Night

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = typer.main.get_command(app)
OTHERS = st.lists(st.sampled_from(["status", "--night", "20240211", "--json", "-5", "x"]))
GIVEN = st.lists(
    st.sampled_from([("--config", "a.toml"), ("--config=b.toml",), ("--log-level", "debug")])
)


@given(OTHERS, GIVEN, st.data())
def test_common_options_may_stand_anywhere(
    others: list[str], given_options: list[tuple[str, ...]], data: st.DataObject
) -> None:
    """They come first, in their order; all else keeps its order, too."""
    places = sorted(data.draw(st.integers(0, len(others))) for _ in given_options)
    mixed = list(others)
    for place, option in reversed(list(zip(places, given_options, strict=True))):
        mixed[place:place] = option
    flat = [word for option in given_options for word in option]
    assert common_first(mixed) == [*flat, *others]
    assert common_first(["--", *mixed]) == ["--", *mixed]


def test_an_option_without_its_value_is_left_for_the_parser() -> None:
    """The error about it is the parser's own."""
    assert common_first(["sync", "--config"]) == ["--config", "sync"]


def test_a_settings_file_may_be_named_after_the_command(tmp_path: Path) -> None:
    """The error is about that file, as when it is named before."""
    said = [
        run(*arguments, home=tmp_path)
        for arguments in (("status", "--config", "no.toml"), ("--config", "no.toml", "status"))
    ]
    assert said[0] == said[1]
    assert "no.toml: not found" in said[0].err


def test_every_command_has_two_examples_which_it_takes() -> None:
    """And `-h` shows them."""
    assert list(EXAMPLES) == list(PROGRAM.commands)  # type: ignore[attr-defined] # it is a group
    assert {len(examples) for examples in EXAMPLES.values()} == {2}


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_ends_with_examples(command: str) -> None:
    """A line each, unbroken, for `-h` as for `--help`."""
    with PROGRAM.make_context("winter-sync", [command]) as context:
        inner = PROGRAM.commands[command].make_context(  # type: ignore[attr-defined] # it is a group
            command, [], parent=context, resilient_parsing=True
        )
        shown = inner.get_help()
    assert "-h, --help" in shown
    assert all(f"    {example}\n" in shown for example in EXAMPLES[command])
    assert all(option in shown for option in COMMON)


def test_lists_are_split_and_each_word_is_read() -> None:
    """Blanks do not count, and a word that is not known is refused."""
    read = lists_of(choice_of(("stack", "diff")))
    assert read(["stack, diff", "stack"]) == ["stack", "diff", "stack"]
    assert read(None) is None
    with pytest.raises(typer.BadParameter, match="did you mean stack"):
        read(["diff,stak"])


def test_a_backfill_takes_a_night_or_a_span(tmp_path: Path) -> None:
    """One of the two; a span without its end goes up to now."""
    neither = run("backfill", home=tmp_path)
    both = run("backfill", "20240211", "--to", "20240212", home=tmp_path)
    swapped = run("backfill", "--from", "20240212", "--to", "20240211", home=tmp_path)
    assert (neither.code, both.code, swapped.code) == (2, 2, 2)
    assert "winter-sync backfill 20240211" in neither.err
    assert "together with --from or --to" in both.err
    assert "--from 20240212 is after --to 20240211" in swapped.err
    night, now = Night("20240211"), datetime(2024, 2, 13, tzinfo=UTC)
    assert span_of(night, None, None, now) == (night, night)
    assert span_of(None, night, None, now) == (night, Night("20240213"))
    assert span_of(None, Night("20250101"), None, now) == (Night("20250101"),) * 2
