"""Which products travel together in one download, and in which order."""

from __future__ import annotations

import sys
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from winter_sync.core import Candidate, ImageType, Instrument


BATCH_BYTES = 256_000_000


BATCH_PRODUCTS = 32


def choose_batch(candidates: Sequence[Candidate], room: int = sys.maxsize) -> tuple[Candidate, ...]:
    """Choose the products of one request, of the candidates in their order.

    All share program, instrument, type and number of attempts with the first; no basename stands
    twice, because members are matched by it. A batch stays near `BATCH_BYTES` and within `room`,
    the bytes that the disk can take, and what failed before travels in ever smaller company until
    it stands alone. Nothing is chosen where not even one candidate fits.
    """
    chosen: list[Candidate] = []
    names: set[str] = set()
    size = 0
    for candidate in candidates:
        if candidate.expected_size > room or candidate.product.filename in names:
            continue
        if chosen and _kind(candidate) != _kind(chosen[0]):
            continue
        if chosen and size + candidate.expected_size > min(BATCH_BYTES, room):
            break
        chosen.append(candidate)
        names.add(candidate.product.filename)
        size += candidate.expected_size
        if len(chosen) == batch_limit(candidate.attempts):
            break
    return tuple(chosen)


def choose_alone(
    candidates: Sequence[Candidate], doubtful: Collection[tuple[str, Instrument, ImageType]]
) -> tuple[Candidate, ...]:
    """Choose one product that shows whether the server serves at all.

    `doubtful` are the programs, instruments and types of what it did not serve lately: anything
    else shows more, if there is any.
    """
    others = (candidate for candidate in candidates if _kind(candidate)[:3] not in doubtful)
    return tuple(islice(chain(others, candidates), 1))


def _kind(candidate: Candidate) -> tuple[str, Instrument, ImageType, int]:
    product = candidate.product
    return candidate.program, product.instrument, product.image_type, candidate.attempts


def batch_limit(attempts: int) -> int:
    """Return how many products may travel together after this many failures of each."""
    return max(1, BATCH_PRODUCTS >> (2 * attempts))
