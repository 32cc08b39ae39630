"""Single values of the settings: what is read, and what is refused, with how to write it."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from winter_sync.config.values import Rate, Size

SIZE: TypeAdapter[int] = TypeAdapter(Size)
RATE: TypeAdapter[int] = TypeAdapter(Rate)
texts = st.text(st.sampled_from("0123456789.eE+- kKmMgGtTiIbB/s\n\0\u0661"), max_size=12)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("1 b", 1),
        ("500 MB", 500_000_000),
        ("500mb", 500_000_000),
        ("10 GiB", 10 * 1024**3),
        ("1.5 KiB", 1536),
        ("0.5TB", 500_000_000_000),
        ("2tib", 2 * 1024**4),
        ("7 kb", 7000),
        ("3 MiB", 3 * 1024**2),
        ("9 GB", 9_000_000_000),
        (" 1 ", 1),
        ("9007199254740993", 9_007_199_254_740_993),
        ("0.1 GB", 100_000_000),
    ],
)
def test_a_size_is_read_exactly(text: str, size: int) -> None:
    """A number of bytes, or of a unit in powers of 1000 or 1024; case does not matter."""
    assert SIZE.validate_python(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "GB", "-1", "1 G", "1 PB", "1e3", "1,5 GB", "1 GB GB", "1 kbit", "9" * 400, "\u0661"],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error shows how a size is written, and what was written instead."""
    with pytest.raises(ValueError, match=r'"10 GiB".*' + re.escape(repr(text))):
        SIZE.validate_python(text)


@pytest.mark.parametrize(("value", "size"), [(5, 5), (1e10, 10**10), (0.0, 0)])
def test_a_size_may_be_a_number(value: float, size: int) -> None:
    """A whole number is a number of bytes."""
    assert SIZE.validate_python(value) == size


@pytest.mark.parametrize("value", [True, None, 1.5, float("inf"), float("nan"), [], {}, b"1", -1])
def test_what_is_no_number_of_bytes_is_refused(value: object) -> None:
    """Nothing is rounded, and nothing else stands for a number."""
    with pytest.raises(ValueError, match=r"size is written like|at least 0"):
        SIZE.validate_python(value)


@given(texts)
def test_any_text_is_a_size_or_refused(text: str) -> None:
    """Nothing but `ValueError` comes of any text, and no size is negative."""
    with suppress(ValueError):
        assert SIZE.validate_python(text) >= 0


@pytest.mark.parametrize("text", ["5 MB/s", "5MB/s", "5 MB", "5000000", " 5 MB /s "])
def test_a_rate_is_a_size_a_second(text: str) -> None:
    """The "/s" may be left out."""
    assert RATE.validate_python(text) == 5_000_000
