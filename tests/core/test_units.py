"""Durations and sizes: read as people write them, written as people read them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize, TypeAdapter

from winter_sync.core.units import parse_duration, show_duration, show_size

LETTERS = st.text("0123456789. smhdwkMGTiB-+eE\n\u0661\u00b2", max_size=12)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        (" 1 h 30 m ", 5400),
        ("1.5h", 5400),
        ("30m1h", 5400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("0s", 0),
        ("3660d", 3660 * 86_400),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """One or more numbers with their units, in any order, add up."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "m", "1y", "-1s", "1,5h", "1H", ".5h", "5.h", "1h30", "1e3s", "\u0661s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error shows how a duration is written, and what was written instead."""
    with pytest.raises(ValueError, match=r'"1h30m".*' + re.escape(repr(text))):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3661d", "9999999999h", "9" * 400 + "s", "3660d1ms"])
def test_a_duration_has_an_end(text: str) -> None:
    """More than ten years is a slip of the pen."""
    with pytest.raises(ValueError, match="at most ten years"):
        parse_duration(text)


@given(LETTERS)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but `ValueError` comes of any text."""
    with suppress(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (12.34, "12 B"),
        (999.6, "1 kB"),
        (1000, "1 kB"),
        (1536, "1.54 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (52_000_000, "52 MB"),
        (1_234_567_890, "1.23 GB"),
        (3.2e12, "3.2 TB"),
        (1.6e15, "2 PB"),
        (1e18, "1000 PB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_a_size_is_shown(count: float, text: str) -> None:
    """Three digits and a decimal unit."""
    assert show_size(count) == text


@given(st.integers(0, 10**15))
def test_a_shown_size_is_nearly_the_size(count: int) -> None:
    """What is shown is within half a percent, and never has four digits before the point."""
    shown = show_size(count)
    assert re.fullmatch(r"\d{1,3}(\.\d+)? [kMGTP]?B", shown)
    if "PB" not in shown:
        assert abs(TypeAdapter(ByteSize).validate_python(shown) - count) <= max(count, 1) * 0.005


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.95, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (5400, "1 h 30 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (40 * 86_400 + 7200, "40 d 2 h"),
    ],
)
def test_a_duration_is_shown(seconds: float, text: str) -> None:
    """The two largest units, or tenths of a second below a minute."""
    assert show_duration(seconds) == text
