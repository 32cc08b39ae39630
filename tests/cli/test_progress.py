"""How a run is shown: a few lines on a terminal of any kind, otherwise lines of the log."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest
import structlog
from cli.test_tally import NIGHTS, QUERY, SIZE, polled, settled, some
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from structlog.testing import capture_logs
from support.makers import batch, candidate, product

from winter_sync.cli.progress.display import ProgressLog, ProgressView, is_drawable
from winter_sync.cli.progress.drawing import drawn
from winter_sync.cli.progress.tally import Tally
from winter_sync.core import (
    BatchStarted,
    Event,
    FactsRead,
    PollFailed,
    PollsEnded,
    ProductFinished,
    Received,
    Retrying,
    ServerFailing,
    ServerRecovered,
)
from winter_sync.core.downloads import Failed
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from typing import Any

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
ONE = batch(candidate(product()))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Terminal(io.StringIO):
    """Collects what is drawn, and claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def lines(*events: Event, width: int = 80, seconds: float = 10.0, plain: bool = False) -> list[str]:
    """Return the lines drawn the given number of seconds after these events."""
    tally = Tally()
    for event in events:
        tally.record(event, 0.0)
    return [line.plain for line in drawn(tally, seconds, width, plain=plain)]


def busy() -> tuple[Event, ...]:
    """Return the events of a run that has everything to show."""
    many = [product(0, night=NIGHTS[0].plus(day)) for day in range(20)]
    return (
        polled(*many, *some(20, NIGHTS[1])),
        PollsEnded(),
        settled("published", candidate(many[0])),
        *(
            ProductFinished(Failed(candidate(many[1]), f"broken\nin way {way}\x1b[2J"))
            for way in range(9)
        ),
        Received(ONE, 999_000_000_000),
        BatchStarted(batch(*map(candidate, many[2:]))),
        Retrying("the server answered 503", 2.0),
    )


# --- what is drawn --------------------------------------------------------------------------------


def test_the_first_line_is_the_whole() -> None:
    """Products done out of those wanted, bytes, rate, time left."""
    wanted = some(4)
    (line,) = lines(
        polled(*wanted),
        PollsEnded(),
        settled("published", candidate(wanted[0])),
        Received(ONE, SIZE),
    )
    bar = "\u2501" * 9 + "\u2500" * 27
    assert line == f"downloading  {bar}  1/4  1 kB  100 B/s  30 s left"


def test_the_time_is_a_least_one_while_record_poll_progress() -> None:
    """Products that polls may still find take longer."""
    (line,) = lines(polled(*some(400)), Received(ONE, 52_000_000))
    assert line.endswith("  12 min 49 s+ left")


def test_below_are_the_nights_under_way_and_the_last_failures() -> None:
    """The newest nights, six at most; three reasons at most, the latest first, on a line each."""
    first, unwell, complete, *rest = lines(*busy())
    assert first.startswith("waiting for the server")
    assert unwell == "  the server answered 503"
    assert complete == "  1 night done, 19 pending"
    newest = [NIGHTS[0].plus(19 - back) for back in range(6)]
    assert rest[:6] == [f"  {night} winter stack        0/1" for night in newest]
    reasons = [rf"  failed once: broken\nin way {way}\x1b[2J" for way in (8, 7, 6)]
    assert rest[6:] == reasons


def test_while_headers_are_read_nothing_is_said_to_be_downloading() -> None:
    """The rate of downloads that have ended does not go on falling."""
    ended = (
        polled(product()),
        PollsEnded(),
        Received(ONE, SIZE),
        settled("published", ONE.candidates[0]),
    )
    assert "/s" in lines(*ended, seconds=1.0)[0]
    first, second, *_ = lines(*ended, FactsRead(1, (), 3), seconds=1.0)
    assert first.startswith("downloaded")
    assert "/s" not in first
    assert second == "  reading headers of images: 1/4"


def test_a_night_says_what_failed_of_it() -> None:
    """Failed products that are still wanted are shown beside those done."""
    failed, *others = map(candidate, some(3))
    _, night, reason = lines(
        polled(*some(3)),
        ProductFinished(Failed(failed, "it was cut")),
        ProductFinished(Failed(failed, "it was cut")),
        BatchStarted(batch(*others)),
    )
    assert night == f"  {NIGHTS[0]} winter stack        0/3  2 failed"
    assert reason == "  failed 2 times: it was cut"


@given(st.integers(1, 200), st.booleans())
def test_it_fits_every_terminal(width: int, plain: bool) -> None:  # noqa: FBT001 - drawn
    """No line is wider than the terminal; the number of products is the last to be left out."""
    shown = lines(*busy(), width=width, plain=plain)
    assert all(len(line) <= width for line in shown)
    assert "1/40" in shown[0] or width < len("1/40")
    assert not plain or "".join(shown).isascii()


@pytest.mark.parametrize("trouble", [Retrying("down", 2.0), ServerFailing("down", 15.0)])
def test_it_says_when_it_waits(trouble: Event) -> None:
    """While the server is failing it says so and why, and no longer afterwards."""
    assert lines(trouble) == ["waiting for the server", "  down"]
    assert lines(trouble, ServerRecovered(9.0)) == ["asking the archive"]


# --- on a terminal --------------------------------------------------------------------------------


def on_terminal(terminal: Terminal, environment: Mapping[str, str], *events: Event) -> str:
    """Draw a run on a terminal; return all that was written."""
    console = Console(file=terminal, force_terminal=True, width=60, _environ=environment)
    with ProgressView(console, Clock()) as view:
        for event in events:
            view.handle(event)
    return terminal.getvalue()


def test_a_terminal_is_left_clean() -> None:
    """The drawing is gone at the end, and the cursor is visible again."""
    written = on_terminal(Terminal(), {"TERM": "xterm"}, *busy())
    assert "1/40" in ESCAPE.sub("", written)
    assert written.endswith("\x1b[2K")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_there_is_no_colour_where_none_is_wanted() -> None:
    """With NO_COLOR there are only cursor movements, and the bar is still readable."""
    written = on_terminal(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, *busy())
    coloured = on_terminal(Terminal(), {"TERM": "xterm"}, *busy())
    colour = re.compile(r"\x1b\[3\d(;\d+)*m")
    assert colour.search(coloured)
    assert not colour.search(written)


def test_the_log_does_not_tear_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the log is written complete, above the drawing."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logger = configure_logging(str, form="human")
    environment = {"TERM": "xterm"}
    console = Console(
        file=terminal, force_terminal=True, width=60, soft_wrap=True, _environ=environment
    )
    with ProgressView(console, Clock()) as view:
        view.handle(polled(*some(3)))
        view._live.refresh()
        logger.warning("poll failed", reason="no answer")
        view._live.refresh()
    plain = ESCAPE.sub("", terminal.getvalue())
    (line,) = [line for line in plain.splitlines() if "poll failed" in line]
    assert line.endswith("poll failed reason='no answer'")
    assert "0/3" not in line


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "TTY_COMPATIBLE": "0"}, False),
    ],
)
def test_it_is_drawn_where_somebody_watches(
    stream: io.StringIO, environment: dict[str, str], *, expected: bool
) -> None:
    """Only on a terminal that can move its cursor, whatever the environment forces."""
    assert is_drawable(Console(file=stream, _environ=environment)) is expected


# --- in the log -----------------------------------------------------------------------------------


def logged(
    work: Callable[[ProgressLog, Clock], None], *, by_night: bool = True
) -> list[MutableMapping[str, Any]]:
    """Return the lines that are logged during a run."""
    with capture_logs() as captured:
        logger = structlog.get_logger()
        clock = Clock()
        with ProgressLog(logger, "backfill", clock, by_night=by_night) as progress:
            work(progress, clock)
    return captured


def test_progress_is_logged_every_half_minute() -> None:
    """With numbers, however many products ended meanwhile; never the same line twice."""

    def run(progress: ProgressLog, clock: Clock) -> None:
        progress.handle(polled(*some(400)))
        for entry in some(100):
            clock.now += 1
            progress.handle(Received(ONE, SIZE))
            progress.handle(settled("published", candidate(entry)))
        for _ in range(10):
            clock.now += 100
            progress.handle(PollFailed(QUERY, "no answer"))

    lines = logged(run)
    assert [line["event"] for line in lines] == ["backfill progress"] * 4
    assert [line["done"] for line in lines] == [29, 59, 89, 100]
    assert lines[1] == {
        "event": "backfill progress",
        "log_level": "info",
        "nights_left": 1,
        "done": 59,
        "left": 341,
        "missing": 0,
        "failed": 0,
        "bytes": 60 * SIZE,
        "bytes_per_second": pytest.approx(SIZE, rel=0.05),
        "seconds_left": pytest.approx(341, rel=0.05),
    }


def test_a_night_that_becomes_complete_is_a_line() -> None:
    """Each at its time; those complete when the polls ended share a line."""
    first, second, third = (product(0, night=night) for night in NIGHTS)

    def run(progress: ProgressLog, clock: Clock) -> None:
        del clock
        progress.handle(polled(first, second, third))
        progress.handle(settled("published", candidate(first)))
        progress.handle(settled("missing", candidate(second)))
        progress.handle(PollsEnded())
        progress.handle(settled("published", candidate(third)))

    several, single = logged(run)
    counts = {"log_level": "info", "published": 1, "bytes": SIZE}
    between = {"nights": 2, "first": str(NIGHTS[0]), "last": str(NIGHTS[1])}
    assert several == {"event": "nights done", **between, "missing": 1, **counts}
    assert single == {"event": "night done", "night": str(NIGHTS[2]), "missing": 0, **counts}
    assert logged(run, by_night=False) == []


def test_nothing_is_logged_when_nothing_happens() -> None:
    """Polls that find nothing new are not worth a line, however long they take."""

    def run(progress: ProgressLog, clock: Clock) -> None:
        for event in (polled(), polled(), PollsEnded()):
            clock.now += 3600
            progress.handle(event)

    assert logged(run) == []
