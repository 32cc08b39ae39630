"""What a poll, a download and a batch of them came to: frozen results, folded by their callers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING

from winter_sync.core import Cause, Failed

if TYPE_CHECKING:
    from winter_sync.catalog import Poll
    from winter_sync.core import (
        Batch,
        Candidate,
        CredentialsRefusedError,
        Instrument,
        Outcome,
        TransientError,
        WinterSyncError,
    )


@dataclass(frozen=True, slots=True)
class PollResult:
    """What polling a subject came to."""

    queries: int = 0
    listed: int = 0
    new: int = 0
    changed: int = 0
    asked: tuple[date, date] | None = field(default=None, compare=False)
    """The first and the last date that was asked for; `date.max` for up to now."""
    not_asked: str | None = None
    """Why no query was sent, if none was."""
    matching: frozenset[tuple[Instrument, str]] = field(default=frozenset(), compare=False)
    """Of a backfill of a part, the products that are listed of that part."""
    moved: int = field(default=0, compare=False)
    """How many products were withdrawn or are listed again."""
    error: WinterSyncError | None = None
    """Why not everything was listed: refused credentials, an unwell server, or a bad answer."""

    def with_listing(
        self, poll: Poll, matching: frozenset[tuple[Instrument, str]] = frozenset()
    ) -> PollResult:
        """Return this result with one more listing, and what that has of a part."""
        return replace(
            self,
            queries=self.queries + 1,
            listed=self.listed + poll.listed,
            new=self.new + poll.new,
            changed=self.changed + poll.changed,
            matching=self.matching | matching,
            moved=self.moved + poll.withdrawn + poll.returned,
            asked=united(self.asked, (poll.query.start, poll.query.end or date.max)),
        )


def united(
    some: tuple[date, date] | None, others: tuple[date, date] | None
) -> tuple[date, date] | None:
    """Return the span of two spans of dates; None for none."""
    if some is None or others is None:
        return some or others
    return min(some[0], others[0]), max(some[1], others[1])


@dataclass(frozen=True, slots=True)
class Timing:
    """What a download took: bytes of content, seconds to the first byte, and from there on."""

    size: int
    waited: float
    receiving: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a download brought: outcomes to commit, and products to request again."""

    outcomes: tuple[Outcome, ...]
    again: tuple[Candidate, ...] = ()
    trouble: str | None = None
    cause: Cause = Cause.OTHER
    """What kind of trouble."""
    refused: CredentialsRefusedError | None = None
    """What the server said, where it refused the download although the credentials are good."""

    was_asked: bool = True
    """Whether the server was asked for anything."""
    timing: Timing | None = field(default=None, compare=False)
    """How long it took, where all that was asked for arrived."""

    @property
    def brought_something(self) -> bool:
        """Whether the server sent a complete product, or said that it has none."""
        return any(not isinstance(outcome, Failed) for outcome in self.outcomes)

    @property
    def why_nothing(self) -> str:
        """Why it brought nothing: what broke it, or what was wrong with the last product."""
        reasons = [outcome.reason for outcome in self.outcomes if isinstance(outcome, Failed)]
        return self.trouble or reasons[-1]


class Served(Enum):
    """What the server did with the request for a batch."""

    NOT_ASKED = "not asked"
    """No product could be put into the tree, so nothing was requested."""
    PRODUCTS = "products"
    """It sent at least one product complete, or said that it has none of it."""
    NOTHING = "nothing"
    """It sent nothing, or nothing but damage."""
    UNWELL = "unwell"
    """It is unwell; nothing was learnt of the batch, which was given back."""
    REFUSED = "refused"
    """It refused the program, or a batch of several products of it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch came to: committed outcomes, and what the server did."""

    batch: Batch
    served: Served
    outcomes: tuple[Outcome, ...] = ()
    """Empty where the batch was given back."""
    error: CredentialsRefusedError | TransientError | None = None
    """Why the server served nothing, where it did not: to report if that is the server's fault."""
