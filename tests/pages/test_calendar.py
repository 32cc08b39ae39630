"""The grid of nights: nothing is called complete that lacks anything, whatever the numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.catalog import NightCount
from winter_sync.core import Instrument, Night, Numbers
from winter_sync.core.traits import ImageType
from winter_sync.pages.calendar import Cell, CellState, make_calendars

FEW = st.integers(0, 3)
COUNTS = st.builds(
    NightCount,
    night=st.integers(0, 3).map(Night("20240130").plus),
    instrument=st.sampled_from(Instrument),
    image_type=st.sampled_from(ImageType),
    published=FEW,
    wanted=FEW,
    missing=FEW,
    withdrawn=FEW,
    size=FEW,
    damaged=FEW,
)


@given(COUNTS)
def test_a_cell_says_what_is_here(count: NightCount) -> None:
    """It is full only if all that is listed is here; each state has a sign and words of its own."""
    numbers = Numbers.of([count])
    cell = Cell.of([count])
    is_full = numbers.listed == numbers.here > 0
    assert (cell.state is CellState.FULL) is is_full
    if numbers.listed:
        assert f"{numbers.here} of {numbers.listed} listed are here" in cell.words
        assert ("/" in cell.shown) is not is_full
    if numbers.missing or numbers.damaged:
        assert cell.state is CellState.MISSING
    assert (cell.state is CellState.NONE) is (numbers.listed + numbers.not_kept == 0)
    signs = [state.sign for state in CellState]
    assert len(signs) == len(set(signs))


@given(st.lists(COUNTS, max_size=8, unique_by=lambda c: (c.night, c.instrument, c.image_type)))
def test_every_count_has_a_place_in_the_grid(counts: list[NightCount]) -> None:
    """Each night of each camera has a line, with a cell for each of its types; bytes add up."""
    nights = sorted({count.night for count in counts}, key=str, reverse=True)
    grids = make_calendars(nights, counts)
    assert {grid.instrument for grid in grids} == {count.instrument for count in counts}
    for grid in grids:
        of_camera = [count for count in counts if count.instrument is grid.instrument]
        assert [row.night for row in grid.rows] == [
            night for night in nights if any(count.night == night for count in of_camera)
        ]
        assert set(grid.columns) == {count.image_type for count in of_camera}
        assert all(len(row.cells) == len(grid.columns) for row in grid.rows)
    assert sum(row.size for grid in grids for row in grid.rows) == sum(c.size for c in counts)
