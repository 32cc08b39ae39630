"""Tables of many columns on a terminal: those that fit, whole lines, nothing invented."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.cli.views.wide_table import WideTable
from winter_sync.science import Column, Kind

COLUMNS = (
    Column("name", Kind.TEXT),
    Column("started", Kind.TIME),
    Column("magnitude", Kind.REAL, "mag"),
    Column("board", Kind.INTEGER),
)
TELLING = ("magnitude", "name", "board", "started")


@given(
    st.integers(12, 200),
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.none() | st.text(max_size=40),
                "started": st.none() | st.datetimes(),
                "magnitude": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "board": st.none() | st.integers(-9, 9),
            }
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_no_line_is_wider_than_the_terminal(width: int, rows: list[dict[str, object]]) -> None:
    """Whatever the cells hold; each row is one line, and what is left out is said."""
    table = WideTable(width, COLUMNS, TELLING)
    heading, *lines = list(table.lines(rows))
    shown = heading.split()
    if len(shown) < len(COLUMNS):
        assert lines.pop().startswith(f"{len(shown)} of 4 columns; ")
    assert table.drawn == len(lines) == len(rows)
    assert all(len(line) <= width for line in (heading, *lines))
    assert all(line.isprintable() for line in lines)
    assert shown == [column.name for column in COLUMNS if column.name in shown]


def test_the_most_telling_columns_are_shown_first() -> None:
    """In the order of the table; texts are cut, times are to the second, unknown is a dash."""
    row = {"name": "a name that is too long", "started": "2024-02-11T05:30:01.616", "board": 3}
    assert list(WideTable(80, COLUMNS, TELLING).lines([row])) == [
        "name               started             magnitude board",
        "a name that is to… 2024-02-11 05:30:01         -     3",
    ]
    heading, *_ = WideTable(30, COLUMNS, TELLING).lines([row])
    assert heading.split() == ["name", "magnitude"]
    assert list(WideTable(80, COLUMNS, TELLING).lines([])) == []
