"""The progress line: what is done of what is wanted, how fast, on one line of a terminal."""

from __future__ import annotations

import io
import re
from datetime import date
from itertools import count

import pytest
from rich.console import Console

from winter_sync.events import (
    Backlog,
    Event,
    Polled,
    Received,
    Retrying,
    ServerUnwell,
    ServerWell,
    Settled,
)
from winter_sync.models import (
    Batch,
    Candidate,
    Failed,
    ImageType,
    Instrument,
    Marks,
    Missing,
    Night,
    Product,
    Query,
    Subject,
)
from winter_sync.progress import ProgressView

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def candidate(number: int) -> Candidate:
    """Make a product that is wanted."""
    product = Product(
        Instrument.WINTER,
        f"/data/loki/raw_data/winter/20251023/raw/{number}.fits",
        ImageType.EXPOSURE,
        Night("20251023"),
    )
    return Candidate(product, "2024A000", f"winter/{number}.fits", 0, Marks(), 52_000_000)


def polled(new: int, changed: int = 0) -> Polled:
    """Make the event of a poll."""
    query = Query(Subject("2024A000", Instrument.WINTER, ImageType.STACK), date(2025, 10, 23))
    return Polled(query, new, new, changed, returned=0, withdrawn=0, seconds=0.1)


def drawn(*events: Event) -> str:
    """Give the line as it stands after these events, one a second."""
    text = ESCAPE.sub("", written(*events, terminal=True))
    return text.strip().split("\r")[-1].strip()


def written(*events: Event, terminal: bool) -> str:
    """Give all that is written while these events happen."""
    stream, times = io.StringIO(), count(start=100)
    console = Console(file=stream, force_terminal=terminal, width=80)
    with ProgressView(console, clock=lambda: float(next(times))) as view:
        for event in events:
            view.tell(event)
    return stream.getvalue()


def test_it_counts_what_is_done_of_what_is_wanted() -> None:
    """What was wanted before and what polls find is the whole; each product counts once."""
    failed, missing = Settled(Failed(candidate(1), "it was cut")), Settled(Missing(candidate(2)))
    line = drawn(Backlog(3), polled(5, 2), failed, failed, missing)
    assert "20251023 winter exposure" in line
    assert " 2/10 " in line


def test_no_more_is_done_than_there_is() -> None:
    """What is asked for though it was not wanted, as missing products are, widens the whole."""
    assert " 2/2 " in drawn(Backlog(1), *(Settled(Missing(candidate(one))) for one in range(2)))


def test_it_tells_how_fast_bytes_come() -> None:
    """The bytes and their rate since the beginning are told in units for people."""
    batch = Batch("b", (candidate(1),))
    assert "4 MB, 2 MB/s" in drawn(Received(batch, 3_000_000), Received(batch, 1_000_000))


@pytest.mark.parametrize("trouble", [Retrying("down", 2.0), ServerUnwell("down", 15.0)])
def test_it_tells_when_it_waits(trouble: Event) -> None:
    """While the server is unwell it says what it waits for, and stops saying so afterwards."""
    assert drawn(trouble).startswith("waiting for the server", 2)
    assert drawn(trouble, ServerWell(9.0)).startswith("asking the archive", 2)


def test_it_fits_a_terminal_and_leaves_it_clean() -> None:
    """However much there is to tell it is one line of 80 columns, and at the end it is gone."""
    batch = Batch("b", (candidate(1),))
    events = (Backlog(99_999), Received(batch, 999_000_000_000), Settled(Missing(candidate(1))))
    assert len(drawn(*events)) <= 80
    assert written(*events, terminal=True).endswith("\x1b[2K")


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """Piped, there is not a byte of it."""
    assert written(Backlog(3), polled(5), terminal=False) == ""
