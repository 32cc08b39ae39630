"""Nights and types as a grid: what of each is here, decided from counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from winter_sync.core import ImageType, Instrument, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog import NightCount
    from winter_sync.core import Night


class CellState(Enum):
    """How much of what is listed of a night and type is here; its sign and its words."""

    FULL = ("✓", "everything listed is here")
    PARTIAL = ("◐", "partly here")
    WAITING = ("○", "waiting to be downloaded")
    MISSING = ("!", "some are missing on the server, or were deleted or changed here")
    NOT_KEPT = ("-", "listed, not kept by the archive")
    NONE = ("", "nothing is listed")

    @property
    def sign(self) -> str:
        """What stands for it, whatever the colours."""
        return self.value[0]

    @property
    def words(self) -> str:
        """What it means."""
        return self.value[1]

    @property
    def css(self) -> str:
        """The name of its style."""
        return self.name.lower().replace("_", "-")


def cell_state(numbers: Numbers) -> CellState:
    """Decide how much of what is listed is here."""
    if not numbers.listed:
        return CellState.NOT_KEPT if numbers.not_kept else CellState.NONE
    if numbers.here == numbers.listed:
        return CellState.FULL
    if numbers.missing or numbers.damaged:
        return CellState.MISSING
    return CellState.PARTIAL if numbers.here else CellState.WAITING


@dataclass(frozen=True, slots=True)
class Cell:
    """A night and a type.

    Parameters
    ----------
    state
        How much is here.
    shown
        How many are here, and out of how many if some are not.
    words
        The same as a sentence, for a tool tip and for who cannot see the sign.
    """

    state: CellState
    shown: str
    words: str

    @classmethod
    def of(cls, counts: Iterable[NightCount]) -> Cell:
        """Return the cell of the counts of one night and type."""
        numbers = Numbers.of(counts)
        state = cell_state(numbers)
        here, listed = numbers.here, numbers.listed
        shown = str(here) if here == listed else f"{here}/{listed}"
        if not listed:
            return cls(state, str(numbers.not_kept or ""), state.words)
        return cls(state, shown, f"{here} of {listed} listed are here{_lacking(numbers)}")


def _lacking(numbers: Numbers) -> str:
    parts = [
        f"{count} {word}"
        for count, word in (
            (numbers.pending, "pending"),
            (numbers.missing, "missing on the server"),
            (numbers.damaged, "deleted or changed here"),
        )
        if count
    ]
    return f": {', '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A night, a cell for each column, and the bytes that are here."""

    night: Night
    cells: tuple[Cell, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Nights of one camera, the newest first, by types."""

    instrument: Instrument
    columns: tuple[ImageType, ...]
    rows: tuple[CalendarRow, ...]

    @property
    def states(self) -> tuple[CellState, ...]:
        """The states that occur, for the legend."""
        found = {cell.state for row in self.rows for cell in row.cells}
        return tuple(state for state in CellState if state in found and state.sign)


def make_calendars(nights: Sequence[Night], counts: Iterable[NightCount]) -> tuple[Calendar, ...]:
    """Return the calendar of each camera that has products, from the counts of these nights."""
    by_camera: dict[Instrument, list[NightCount]] = {}
    for count in counts:
        by_camera.setdefault(count.instrument, []).append(count)
    return tuple(
        _calendar(instrument, nights, by_camera[instrument])
        for instrument in Instrument
        if instrument in by_camera
    )


def _calendar(
    instrument: Instrument, nights: Sequence[Night], counts: Sequence[NightCount]
) -> Calendar:
    found = {count.image_type for count in counts}
    columns = tuple(image_type for image_type in ImageType if image_type in found)
    by_night: dict[Night, list[NightCount]] = {night: [] for night in nights}
    for count in counts:
        by_night.setdefault(count.night, []).append(count)
    rows = tuple(_row(night, columns, of_night) for night, of_night in by_night.items() if of_night)
    return Calendar(instrument, columns, rows)


def _row(night: Night, columns: Sequence[ImageType], counts: Sequence[NightCount]) -> CalendarRow:
    cells = tuple(
        Cell.of(count for count in counts if count.image_type is image_type)
        for image_type in columns
    )
    return CalendarRow(night, cells, sum(count.size for count in counts))
