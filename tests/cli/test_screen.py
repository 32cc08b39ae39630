"""Texts written by others are escaped: no character of them controls a terminal."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from structlog import reset_defaults
from support.makers import candidate, product

from winter_sync.cli.progress.display import ProgressView
from winter_sync.cli.screen import Screen
from winter_sync.core import (
    Event,
    PollFailed,
    ProductFinished,
    Retrying,
    RowsLeftOut,
    ServerFailing,
)
from winter_sync.core.downloads import Failed
from winter_sync.core.printable import escape_unprintable
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.event_log import log_events
from winter_sync.monitoring.log_setup import configure_logging

texts = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x07\r\n\x9b\x85\u202e\u2066\u200b\ud800[]31m;:"),
    )
)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@given(texts)
def test_printable_text_is_printable_and_stays_so(text: str) -> None:
    """No unprintable character is left; printable ones are not changed."""
    shown = escape_unprintable(text)
    assert shown.isprintable()
    assert escape_unprintable(shown) == shown
    assert not text.isprintable() or shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("a\nb", r"a\nb"), ("\u202e", r"\u202e"), ("\x9b", r"\x9b")],
)
def test_what_does_not_print_is_written_out(text: str, shown: str) -> None:
    """Readers can see what was there."""
    assert escape_unprintable(text) == shown


@given(texts)
def test_nothing_that_is_printed_steers_the_terminal(text: str) -> None:
    """As text, markup, cell or branch: the only control characters written are line ends."""
    table = Table(text)
    table.add_row(text)
    tree = Tree(text)
    tree.add(text)
    stream = io.StringIO()
    screen = Screen()
    screen.file = stream
    for shown in (text, Text(text), table, tree):
        screen.print(shown)
    assert all(letter.isprintable() or letter == "\n" for letter in stream.getvalue())


def test_markup_means_nothing() -> None:
    """Square brackets and colons are shown as they are: no link, no style, no emoji."""
    stream = Terminal()
    screen = Screen()
    screen.file = stream
    screen.print("[link=http://example.org][red]here[/red][/link] :smile:")
    assert stream.getvalue() == "[link=http://example.org][red]here[/red][/link] :smile:\n"


QUERY = Query(Subject("2024A000", Instrument.WINTER, ImageType.STACK), None)  # type: ignore[arg-type] # not logged


def events_of(text: str) -> list[Event]:
    """Make events that quote a text of the archive."""
    known = candidate(product(0))
    named = replace(known, product=replace(known.product, savepath=text))
    failed = Failed(named, text, blamed=True)
    return [
        PollFailed(QUERY, text),
        Retrying(text, 1.0),
        ServerFailing(text, 1.0),
        RowsLeftOut(QUERY, (text,)),
        ProductFinished(failed),
    ]


@given(texts)
def test_a_log_for_people_has_a_printable_line_for_each_event(text: str) -> None:
    """Whatever a reason or a path contains, it never starts a new line."""
    stream = io.StringIO()
    emit = log_events(configure_logging(str, level="debug", form="human", stream=stream))
    events = events_of(text)
    for event in events:
        emit(event)
    reset_defaults()
    lines = stream.getvalue().split("\n")
    assert len(lines) == len(events) + 1
    assert all(line.isprintable() for line in lines)


@given(texts)
def test_progress_never_steers_the_terminal(text: str) -> None:
    """Failures and their reasons are drawn without control characters."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        screen = Screen(stderr=True)
        view = ProgressView(screen)
        for event in events_of(text):
            view.handle(event)
        screen.print(view)
    assert all(letter.isprintable() or letter == "\n" for letter in stream.getvalue())
