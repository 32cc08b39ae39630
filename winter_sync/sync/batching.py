"""Which products travel together in one download, and in which order."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from winter_sync.sync.balancing import Costs, Group, first_share, parts_of
from winter_sync.sync.server_model import GUESS, MOST

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from winter_sync.core import Candidate, ImageType, Instrument

    Kind = tuple[str, Instrument, ImageType, int]


_SHRINKS = 3
"""A failure divides the company of a product by two, as often as this."""
GUESSED_COSTS = Costs(GUESS.fixed, GUESS.per_byte)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a batch is chosen by, besides its products.

    Attributes
    ----------
    room
        Bytes that the disk can take.
    largest, most
        Bytes and products that one request may ask for.
    waits
        Seconds until each connection is free; the first is the one that asks.
    costs
        What requests and bytes cost.
    spread
        By which part a download may take more or less time than it is taken to.
    """

    room: int = sys.maxsize
    largest: int = GUESS.largest
    most: int = MOST
    waits: tuple[float, ...] = (0.0,)
    costs: Costs = GUESSED_COSTS
    spread: float = 0.0


ALONE = Conditions()
"""Those of a single connection to a server of which nothing is known."""


def choose_batch(
    candidates: Sequence[Candidate], conditions: Conditions = ALONE
) -> tuple[Candidate, ...]:
    """Choose the products of one request, of the candidates in their order.

    All share program, instrument, type and number of attempts with the first; no basename stands
    twice, because members are matched by it. A batch is such a part of the candidates that all
    connections end together; it stays within the limits of a request and of the disk, and what
    failed before travels in ever smaller company until it stands alone. Nothing is chosen where
    not even one candidate fits.
    """
    kinds: dict[Kind, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.expected_size <= conditions.room:
            kinds.setdefault(_kind(candidate), []).append(candidate)
    if not kinds:
        return ()
    groups = [_group(alike, conditions) for alike in kinds.values()]
    share = first_share(groups, conditions.waits, conditions.costs)
    first = next(iter(kinds.values()))
    parts = parts_of(share, groups[0], conditions.spread, conditions.costs)
    return _take(first, math.ceil(share / parts), conditions)


def _take(alike: Sequence[Candidate], count: int, conditions: Conditions) -> tuple[Candidate, ...]:
    """Choose up to this many of products of one kind, as far as they fit and differ in name."""
    largest = min(conditions.largest, conditions.room)
    chosen: dict[str, Candidate] = {}
    size = 0
    for candidate in alike:
        if candidate.product.filename in chosen:
            continue
        if len(chosen) == count or (chosen and size + candidate.expected_size > largest):
            break
        chosen[candidate.product.filename] = candidate
        size += candidate.expected_size
    return tuple(chosen.values())


def choose_alone(
    candidates: Sequence[Candidate], doubtful: Collection[tuple[str, Instrument, ImageType]]
) -> tuple[Candidate, ...]:
    """Choose one product that shows whether the server serves at all.

    `doubtful` are the programs, instruments and types of what it did not serve lately: anything
    else shows more, if there is any.
    """
    others = (candidate for candidate in candidates if _kind(candidate)[:3] not in doubtful)
    return tuple(islice(chain(others, candidates), 1))


def _kind(candidate: Candidate) -> Kind:
    product = candidate.product
    return candidate.program, product.instrument, product.image_type, candidate.attempts


def _group(alike: Sequence[Candidate], conditions: Conditions) -> Group:
    size = max(sum(candidate.expected_size for candidate in alike) / len(alike), 1)
    attempts = alike[0].attempts
    by_size = int(conditions.largest / size)
    most = min(by_size, batch_limit(attempts, conditions.most, len(alike)))
    return Group(len(alike), size, max(most, 1))


def batch_limit(attempts: int, most: int = MOST, alike: int = MOST) -> int:
    """Return how many products may travel together after this many failures of each.

    Parameters
    ----------
    attempts
        How often each of them failed.
    most
        How many may travel together that never failed.
    alike
        How many failed as often, and may travel together. Those that failed in one request are
        among them: an eighth of these is less company than they had, however small that was.
    """
    limit = most >> (_SHRINKS * attempts)
    return max(1, min(limit, -(-alike >> _SHRINKS)) if attempts else limit)
