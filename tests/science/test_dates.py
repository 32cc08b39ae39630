"""Nights and instants as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.errors import UsageError
from winter_sync.core.products import Night
from winter_sync.science import parse_instant, parse_night

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2024, 2, 12, 10, 30, tzinfo=UTC)
"""In the middle of the night 20240211 of Palomar."""


@given(st.dates())
def test_any_date_is_a_night(day: datetime) -> None:
    """With hyphens or without."""
    assert parse_night(day.isoformat(), NOW) == Night.of(day)
    assert parse_night(f" {Night.of(day)} ", NOW) == Night.of(day)


@pytest.mark.parametrize(
    ("text", "night"),
    [
        ("today", "20240211"),
        ("tonight", "20240211"),
        ("Yesterday", "20240210"),
        ("-1d", "20240210"),
        ("-7d", "20240204"),
        ("7d ago", "20240204"),
        ("-2w", "20240128"),
    ],
)
def test_nights_are_counted_from_the_one_of_now_at_palomar(text: str, night: str) -> None:
    """At 10:30 UTC it is still the night of the evening before."""
    assert parse_night(text, NOW) == Night(night)


@pytest.mark.parametrize(
    "text", ["", "20240230", "2024-13-01", "-7", "-12h", "soon", "2024", "-d", "-9999w", "٢٠٢٤٠٢١١"]
)
def test_what_is_not_a_night_is_refused_with_examples(text: str) -> None:
    """The remedy shows what can be written."""
    with pytest.raises(UsageError) as refused:
        parse_night(text, NOW)
    assert "20240211" in refused.value.remedy
    assert "-7d" in refused.value.remedy


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_instant_is_read_as_iso_8601(instant: datetime) -> None:
    """UTC, with its zone or without it."""
    assert parse_instant(instant.isoformat(), NOW) == instant
    assert parse_instant(instant.replace(tzinfo=None).isoformat(" "), NOW) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("20240211", datetime(2024, 2, 11, tzinfo=UTC)),
        ("2024-02-11", datetime(2024, 2, 11, tzinfo=UTC)),
        ("2024-02-11T05:30", datetime(2024, 2, 11, 5, 30, tzinfo=UTC)),
        ("2024-02-11 05:30 UTC", datetime(2024, 2, 11, 5, 30, tzinfo=UTC)),
        ("2024-02-11t05:30z", datetime(2024, 2, 11, 5, 30, tzinfo=UTC)),
        ("2024-02-11T05:30+02:00", datetime(2024, 2, 11, 3, 30, tzinfo=UTC)),
        ("now", NOW),
        ("today", datetime(2024, 2, 12, tzinfo=UTC)),
        ("yesterday", datetime(2024, 2, 11, tzinfo=UTC)),
        ("-7d", NOW - timedelta(days=7)),
        ("-1h30m", NOW - timedelta(hours=1, minutes=30)),
        ("12h ago", NOW - timedelta(hours=12)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    """Dates are their start, durations count back from now."""
    assert parse_instant(text, NOW) == instant


@pytest.mark.parametrize("text", ["", "soon", "2024-02-30", "25:00", "-x", "-"])
def test_what_is_not_an_instant_is_refused_with_examples(text: str) -> None:
    """The remedy shows what can be written."""
    with pytest.raises(UsageError, match="is not a time") as refused:
        parse_instant(text, NOW)
    assert "2024-02-11T05:30" in refused.value.remedy


@given(st.text(max_size=30), st.sampled_from((parse_night, parse_instant)))
def test_any_text_is_read_or_refused(text: str, parse: Callable[[str, datetime], object]) -> None:
    """Nothing else happens."""
    with suppress(UsageError):
        parse(text, NOW)
