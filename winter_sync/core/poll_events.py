"""The events of polls: what a listing brought, or why there was none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core.errors import Cause

if TYPE_CHECKING:
    from winter_sync.core.error_codes import ErrorCode
    from winter_sync.core.products import Product
    from winter_sync.core.queries import Query, Subject
    from winter_sync.core.shares import Share


@dataclass(frozen=True, slots=True)
class Polled:
    """A listing was read and compared; `shares` are the new and the changed by night and type."""

    query: Query
    listed: int
    new: int
    changed: int
    returned: int
    withdrawn: int
    seconds: float
    shares: tuple[Share, ...] = ()
    missed_by: Subject | None = None
    """What listed the withdrawn before, if another was asked whether it lists them now."""

    @property
    def lost_by(self) -> Subject:
        """What listed the withdrawn before."""
        return self.missed_by or self.query.subject


@dataclass(frozen=True, slots=True)
class WithdrawalHeld:
    """More products vanished from a listing at once than are believed to be withdrawn."""

    subject: Subject
    """What listed them before: the last query may have been put to another program."""
    products: int
    """How many of them were not held before."""
    expected: int
    """How many the answer had to list."""


@dataclass(frozen=True, slots=True)
class WithdrawalCleared:
    """Some of the products that were held so are listed again: all of them are let go."""

    query: Query
    products: int


@dataclass(frozen=True, slots=True)
class TypeNotServed:
    """The archive answers, but not about this type, of which it may have none."""

    query: Query
    reason: str


@dataclass(frozen=True, slots=True)
class ToOQueueRead:
    """The observatory's queue was asked for a program's requests; `error` says why it failed."""

    program: str
    requests: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PollsEnded:
    """The polls of this run are finished: no more products will be found."""


@dataclass(frozen=True, slots=True)
class RowsLeftOut:
    """Some rows of a listing made no sense and were left out; the others were used."""

    query: Query
    reasons: tuple[str, ...]
    untold: int = 0
    """How many more rows were left out, for reasons not listed here."""

    @property
    def rows(self) -> int:
        """How many rows were left out."""
        return len(self.reasons) + self.untold


@dataclass(frozen=True, slots=True)
class ProductsLeftOut:
    """New products that have no place in the tree, because another product has their path."""

    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class PollFailed:
    """A listing could not be read."""

    query: Query
    reason: str
    cause: Cause = Cause.OTHER
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class WindowHalved:
    """A window could not be listed at once, though the server responds: it is halved."""

    query: Query
    reason: str


@dataclass(frozen=True, slots=True)
class ProgramRefused:
    """A program's credentials are refused: it is not polled for `wait` seconds."""

    program: str
    reason: str
    wait: float
    code: ErrorCode | None = None
