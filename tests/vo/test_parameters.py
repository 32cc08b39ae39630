"""Parameters of SIA 2.0: what is understood, and what is refused with a sentence that helps."""

from __future__ import annotations

import re
from math import cos, inf, pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core import UsageError
from winter_sync.vo import parse_query
from winter_sync.vo.intervals import Interval
from winter_sync.vo.parameters import DEFAULT_ROWS, MOST_ROWS

NUMBERS = st.floats(-1e9, 1e9)


@given(NUMBERS, NUMBERS, st.sampled_from(["TIME", "time", "Time"]))
def test_intervals_are_read_as_they_are_written(one: float, other: float, name: str) -> None:
    """In any case of the name, open at either end, several of them; empty values do not count."""
    low, high = sorted((one, other))
    fields = [(name, f"{low} {high}"), (name, f"-Inf {high}"), (name, f"{low}  +inf"), (name, " ")]
    query = parse_query([*fields, (name, str(one)), ("unknown", "x")])
    assert query.intervals == {
        "TIME": (
            Interval(low, high),
            Interval(-inf, high),
            Interval(low, inf),
            Interval(one, one),
        )
    }


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_intervals_meet_if_a_number_is_in_both(a: float, b: float, c: float, d: float) -> None:
    """Told from their ends, whichever is known."""
    (low, high), (start, end) = sorted((a, b)), sorted((c, d))
    span = Interval(low, high)
    shared = [number for number in (a, b, c, d) if low <= number <= high and start <= number <= end]
    assert span.meets(start, end) == bool(shared)
    assert span.meets(start, None) == span.holds(start)
    assert not span.meets(None, None)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("POS=150 17", "Write POS=CIRCLE RA DEC RADIUS"),
        ("POS=CIRCLE 150 17", "Write POS=CIRCLE RA DEC RADIUS"),
        ("POS=CIRCLE 150 97 1", "declinations from -90 to 90"),
        ("POS=CIRCLE 150 17 -1", "a radius from 0 to 90"),
        ("POS=CIRCLE nan 17 1", "Write POS=CIRCLE"),
        ("POS=RANGE 20 10 0 1", "the smaller number first"),
        ("POS=RANGE -10 10 0 1", "right ascensions from 0 to 360"),
        ("POS=RANGE 350 370 0 1", "right ascensions from 0 to 360"),
        ("POS=RANGE 0 10 80 91", "declinations from -90 to 90"),
        ("POS=POLYGON 0 0 10 10 10 0 0 10", "in parts"),
        ("POS=POLYGON 0 0 10 10 10", "Write POS=CIRCLE"),
        ("BAND=J", "Write one number, or two"),
        ("TIME=2 1", "leave an end open"),
        ("TIME=inf", "leave an end open"),
        ("EXPTIME=1 2 3", "EXPTIME=60 960"),
        ("CALIB=5", "CALIB=0, 1, 2, 3 or 4"),
        ("DPTYPE=movie", "DPTYPE=image"),
        ("POL=X", "Write one of I"),
        ("MAXREC=-1", f"MAXREC=0 to {MOST_ROWS}"),
        ("RESPONSEFORMAT=image/png", "RESPONSEFORMAT=votable"),
    ],
)
def test_what_is_wrong_is_explained(field: str, said: str) -> None:
    """With what to write instead."""
    name, _, value = field.partition("=")
    with pytest.raises(UsageError) as refused:
        parse_query([(name, value)])
    assert said in refused.value.remedy
    assert value in refused.value.message


def test_rows_are_limited() -> None:
    """Unless a number is given, and whatever it is; a parameter may not be given without end."""
    assert parse_query([]).most == DEFAULT_ROWS
    assert parse_query([("maxrec", "7")]).most == 7
    assert parse_query([("MAXREC", "9" * 30)]).most == MOST_ROWS
    with pytest.raises(UsageError, match=re.escape("TARGET is given 51 times")):
        parse_query([("TARGET", "x")] * 51)


def test_corners_are_limited() -> None:
    """Each is compared with all others, and with those of each image."""

    def polygon(corners: int) -> str:
        turns = (2 * pi * number / corners for number in range(corners))
        return " ".join(f"{90 + 5 * cos(turn):.6f} {5 * sin(turn):.6f}" for turn in turns)

    assert len(parse_query([("POS", f"POLYGON {polygon(100)}")]).areas) == 1
    with pytest.raises(UsageError, match="has 101 corners") as refused:
        parse_query([("POS", f"POLYGON {polygon(101)}")])
    assert "at most 100, or ask in parts" in refused.value.remedy
