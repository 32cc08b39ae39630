"""What a command is for: some of the configured programs, and any types and cameras."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.config.choice import Choice
from winter_sync.core.errors import UsageError
from winter_sync.core.queries import Selection
from winter_sync.core.traits import ImageType, Instrument

NAMES = ("2024A000", "2024B001", "2025A002")
SELECTIONS = tuple(Selection(name, (ImageType.STACK,), (Instrument.WINTER,)) for name in NAMES)

programs = st.lists(st.sampled_from(NAMES), unique=True).map(tuple)
types = st.lists(st.sampled_from(list(ImageType)), unique=True).map(tuple)
instruments = st.lists(st.sampled_from(list(Instrument)), unique=True).map(tuple)


@given(programs, types, instruments)
def test_only_what_is_chosen_is_left(
    programs: tuple[str, ...], types: tuple[ImageType, ...], instruments: tuple[Instrument, ...]
) -> None:
    """An empty choice means all that is configured; the order is that of the settings."""
    narrowed = Choice(programs, types, instruments).narrow(SELECTIONS)
    assert [selection.program for selection in narrowed] == [
        name for name in NAMES if not programs or name in programs
    ]
    assert {selection.image_types for selection in narrowed} == {types or (ImageType.STACK,)}
    assert {selection.instruments for selection in narrowed} == {
        instruments or (Instrument.WINTER,)
    }


def test_a_program_that_is_not_configured_is_refused() -> None:
    """There is no key for it; the error names the programs that have one."""
    with pytest.raises(UsageError, match="2099Z999 is not in the settings") as raised:
        Choice(("2024A000", "2099Z999")).narrow(SELECTIONS)
    assert raised.value.remedy.endswith(f"configured programs: {', '.join(NAMES)}.")
