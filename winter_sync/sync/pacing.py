"""How much of what is here is fetched again, and when: within a budget of bytes a day."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, Refetches
from winter_sync.core import Refetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winter_sync.core import Batch, Candidate

_UNLIMITED = 2**62


@dataclass(frozen=True, slots=True)
class RefetchLimits:
    """What may be fetched again.

    Attributes
    ----------
    marks, spare
        Bytes a day (UTC) because marks changed, and in spare time.
    at_once
        How many downloads of what is here may run beside each other.
    """

    marks: int = 20 * 1024**3
    spare: int = 0
    at_once: int = 3


class Pacing:
    """Decides whether products that are here may be fetched again now.

    What was fetched today is counted in the catalog: a restart does not begin a new budget.

    Parameters
    ----------
    catalog
        The database.
    limits
        The budget.
    """

    def __init__(self, catalog: CatalogThread, limits: RefetchLimits) -> None:
        self._catalog = catalog
        self._limits = limits
        self._under_way = dict.fromkeys(Refetch, 0)
        self._batches = 0

    async def allowance(self, reason: Refetch, *, by_hand: bool = False) -> int:
        """Return how many bytes may still be fetched again today for a reason.

        What a person asks for has no limit.
        """
        if reason in {Refetch.NO, Refetch.ASKED} or (by_hand and reason is Refetch.MARKS):
            return _UNLIMITED
        limit = self._limits.spare if reason is Refetch.SPARE else self._limits.marks
        spent = await self._catalog.refetches(Refetches.size_today, reason)
        return limit - spent - self._under_way[reason]

    async def allowed(self, *, by_hand: bool = False) -> tuple[Refetch, ...]:
        """Return for which reasons products may be fetched now."""
        return tuple(
            [reason for reason in Refetch if await self.allowance(reason, by_hand=by_hand) > 0]
        )

    def has_room(self, *, by_hand: bool) -> bool:
        """Return whether one more download of what is here may begin: one is left for the new."""
        return by_hand or self._batches < self._limits.at_once

    @contextmanager
    def under_way(self, batch: Batch) -> Iterator[None]:
        """Count a batch while it is being downloaded."""
        reason = batch.candidates[0].refetch
        self._under_way[reason] += batch.expected_size
        self._batches += reason is not Refetch.NO
        try:
            yield
        finally:
            self._under_way[reason] -= batch.expected_size
            self._batches -= reason is not Refetch.NO


def begin_within(chosen: Sequence[Candidate], allowance: int) -> tuple[Candidate, ...]:
    """Return the first of these products: the last of them may go beyond the allowance, bytes."""
    taken: list[Candidate] = []
    for candidate in chosen:
        if allowance <= 0:
            break
        taken.append(candidate)
        allowance -= candidate.expected_size
    return tuple(taken)
