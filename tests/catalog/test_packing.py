"""Times of an archive and of headers are kept as numbers, and read as they were given."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from winter_sync.catalog.packing import (
    day_sql,
    microseconds_sql,
    milliseconds_sql,
    pack_day,
    pack_microseconds,
    pack_milliseconds,
    pack_seconds,
    seconds_sql,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Pack = Callable[[str | None], int | str | None]
    Form = Callable[[datetime], str]

PACKED: dict[str, tuple[Pack, Callable[[str], str], Form]] = {
    "day": (pack_day, day_sql, lambda t: t.date().isoformat()),
    "seconds": (pack_seconds, seconds_sql, lambda t: t.isoformat(timespec="seconds")[:19]),
    "milliseconds": (
        pack_milliseconds,
        milliseconds_sql,
        lambda t: t.isoformat(timespec="milliseconds"),
    ),
    "microseconds": (
        pack_microseconds,
        microseconds_sql,
        lambda t: t.isoformat(timespec="microseconds"),
    ),
}
TIMES = some.datetimes(datetime(1970, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001 - made UTC
FORMS = some.sampled_from([form for _, _, form in PACKED.values()])
NEARLY = some.builds(
    lambda text, at, letter: text[:at] + letter + text[at + 1 :],
    some.builds(lambda form, time: form(time), FORMS, TIMES),
    some.integers(0, 32),
    some.sampled_from("0123456789:-+TZ. ٣"),
)


def shown(sql: str, packed: object) -> object:
    """Return what SQLite shows of a value in a column without a type."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE packed (n, shown TEXT AS ({sql}) VIRTUAL)")
        db.execute("INSERT INTO packed VALUES (?)", [packed])
        (text,) = db.execute("SELECT shown FROM packed").fetchone()
    return text


@pytest.mark.parametrize("unit", PACKED)
@given(time=TIMES)
@example(time=datetime(1970, 1, 1, tzinfo=UTC))
@example(time=datetime.max.replace(tzinfo=UTC))
def test_a_time_in_its_usual_form_is_a_number(unit: str, time: datetime) -> None:
    """It reads as it was written, to the last digit, and sorts as the times do."""
    pack, sql, form = PACKED[unit]
    packed = pack(form(time))
    assert isinstance(packed, int)
    assert shown(sql("n"), packed) == form(time)
    assert pack(form(datetime(1970, 1, 1, tzinfo=UTC))) == 0 <= packed


@pytest.mark.parametrize("unit", PACKED)
@given(
    text=some.text(some.characters(codec="utf-8", exclude_characters="\0")) | NEARLY | some.none()
)
@example(text="20241023")
@example(text="1e3")
@example(text="2024-01-01T24:00:00")
@example(text="2024-02-30")
@example(text="1969-12-31T23:59:59.999000+00:00")
@example(text="2024-02-12T12:52:16.785000-08:00")
@example(text="2024-02-12 12:52:16.785000+00:00")
@example(text=date.min.isoformat())
def test_what_has_another_form_reads_as_it_was_given(unit: str, text: str | None) -> None:
    """Whatever an archive says: nothing is taken for a time that would read otherwise."""
    pack, sql, _ = PACKED[unit]
    assert shown(sql("n"), pack(text)) == text
