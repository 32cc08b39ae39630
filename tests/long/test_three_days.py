"""Days of a daemon's life: everything comes, soon, with few requests, whatever happens."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from long.three_days import EVENING, POLL_EVERY, Record, three_days
from support.driven import DrivenTime

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
"""A minute; tests/daemon tries each part of it in the everyday run."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Live through three days: late products, two outages, a reload and a restart."""
    return lived(tmp_path_factory.mktemp("three-days"))


def lived(directory: Path) -> Record:
    """Run the three days, and return their record."""
    time = DrivenTime(EVENING)
    records: list[Record] = []

    async def live() -> None:
        records.append(await three_days(time, directory))

    time.run(live())
    return records[0]


def test_everything_is_mirrored(record: Record) -> None:
    """All that appeared is in the tree, byte for byte, and nothing else."""
    assert len(record.truth) > 200
    assert record.files == record.truth


def test_no_poll_overlaps(record: Record) -> None:
    """The archive never has two polls of one program, camera and type at a time."""
    assert record.overlaps == 0


def test_nothing_comes_twice(record: Record) -> None:
    """No product is requested again, over outages, a reload and a restart."""
    assert record.fetched_twice == 0


def test_few_requests_are_made(record: Record) -> None:
    """Hardly more than the polls that were due and a download for each that found something.

    A start and a reload look at everything at once; a sweep of a long program takes two questions.
    """
    extra = {name: record.requests[name] - due for name, due in record.due.items()}
    assert extra["/images/query"] <= 0.02 * record.due["/images/query"]
    assert extra["/images/download_list"] <= 0.2 * record.due["/images/download_list"]
    assert record.requests["/validation/program"] <= 6
    assert record.in_vain <= 80


def test_what_appears_is_here_soon(record: Record) -> None:
    """It takes a poll at most, and its download; after an outage not much longer."""
    assert len(record.latencies) > 100
    assert max(record.latencies) <= POLL_EVERY * 1.1 + timedelta(minutes=1)
    away = timedelta(hours=3)
    assert max(record.latencies_in_outages) <= away + POLL_EVERY * 3
