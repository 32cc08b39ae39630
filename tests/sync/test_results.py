"""What a poll came to, one listing after the other."""

from __future__ import annotations

from datetime import date
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.catalog.records import Poll
from winter_sync.core.errors import BadAnswerError
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.results import PollResult

QUERY = Query(Subject("2024A000", Instrument.WINTER, ImageType.STACK), date(2024, 1, 30))
listings = st.builds(
    Poll,
    st.just(QUERY),
    sweep=st.booleans(),
    listed=st.integers(0, 9),
    new=st.integers(0, 9),
    changed=st.integers(0, 9),
)


@given(st.lists(listings, max_size=6))
def test_every_listing_counts(polls: list[Poll]) -> None:
    """A poll has sent as many queries as were answered, and what they list adds up."""
    error = BadAnswerError("no list")
    result = reduce(PollResult.with_listing, polls, PollResult(error=error))
    assert result == PollResult(
        queries=len(polls),
        listed=sum(poll.listed for poll in polls),
        new=sum(poll.new for poll in polls),
        changed=sum(poll.changed for poll in polls),
        error=error,
    )
