"""The table of products at a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.cli.views.product_table import ProductTable


def row(**changes: Any) -> dict[str, object]:  # noqa: ANN401 - any value of a column
    """Return a row of which the given columns are special."""
    return {
        "night": "20240224",
        "started_at": datetime(2024, 2, 25, 15, 5, 12, 22_000, tzinfo=UTC),
        "target": "ZTF24aaahxwr",
        "filter": "J",
        "ra": 150.9593,
        "dec": 17.8258,
        "image_type": "exposure",
        "state": "downloaded",
        "size": 52_300_000,
        "path": "/mirror/file",
        **changes,
    }


def test_a_line_fits_on_eighty_columns() -> None:
    """With the longest type, state and filter, the positions lose a digit and nothing is cut."""
    rows = [row(), row(filter="dark", state="withdrawn", dec=-17.8258)]
    heading, *lines = ProductTable(80).lines(rows)
    assert max(map(len, [heading, *lines])) <= 80
    assert heading.split() == ["night", "UTC", "target", "filter", "RA", "Dec", *KIND]
    assert "20240224 15:05" in lines[0]
    assert "ZTF24aaahxwr" in lines[0]
    assert "150.959 +17.826 exposure downloaded 52.3 MB" in lines[0]
    assert "-17.826" in lines[1]


KIND = ["type", "state", "size"]


def test_on_a_wide_terminal_all_is_shown() -> None:
    """Seconds, four decimals of a degree."""
    (_, line) = ProductTable(120).lines([row()])
    assert "15:05:12" in line
    assert "150.9593 +17.8258" in line


def test_a_long_name_is_cut_where_it_must_be() -> None:
    """The columns behind it stay in place."""
    heading, line, other = ProductTable(80).lines([row(target="N" * 30), row(target="N" * 9)])
    assert len(line) <= 80
    assert "NNN… J" in line
    assert heading.index("state") == line.index("downloaded") == other.index("downloaded")


def test_what_is_unknown_is_a_dash() -> None:
    """None is no word of astronomers."""
    unknown = dict.fromkeys(("started_at", "target", "filter", "ra", "dec", "size", "path"))
    (_, line) = ProductTable(80).lines([row(**unknown)])
    assert "None" not in line
    assert line.split() == ["20240224", "-", "-", "-", "-", "-", "exposure", "downloaded", "-"]


def test_names_cannot_draw_on_the_terminal() -> None:
    """A target's name is the observer's text."""
    (_, line) = ProductTable(80).lines([row(target="M31\x1b[2J\n")])
    assert line.isprintable()


def test_nothing_has_no_heading() -> None:
    """An empty answer is said elsewhere."""
    assert list(ProductTable(80).lines([])) == []


@pytest.mark.parametrize("rows", [1, 2500])
def test_the_summary_counts_what_was_drawn(rows: int) -> None:
    """By state; the size is that of the files that are here."""
    table = ProductTable(80)
    many = [row(), *(row(state="pending", path=None) for _ in range(rows - 1))]
    assert len(list(table.lines(many))) == rows + 1
    if rows == 1:
        assert table.summary == "1 product: 1 downloaded; 52.3 MB here."
    else:
        assert table.summary == "2500 products: 1 downloaded, 2499 pending; 52.3 MB here."


@given(
    width=st.integers(74, 200),
    targets=st.lists(st.text(max_size=40), min_size=1, max_size=5),
    state=st.sampled_from(["downloaded", "withdrawn", "new"]),
)
def test_no_line_is_longer_than_the_terminal(width: int, targets: list[str], state: str) -> None:
    """From 74 columns on, whatever the names."""
    lines = list(ProductTable(width).lines(row(target=name, state=state) for name in targets))
    assert max(map(len, lines)) <= width
    assert len(lines) == len(targets) + 1
