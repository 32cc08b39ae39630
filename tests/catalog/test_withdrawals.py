"""What vanished from the listings, as the catalog believes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.catalogs import poll, subject
from support.makers import product

from winter_sync.core import Expectation, WithdrawalRule

if TYPE_CHECKING:
    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog


def test_a_little_at_each_poll_is_held_as_much_at_once_is(catalog: Catalog, clock: Clock) -> None:
    """An archive that withdraws all in steps, each within the limit, is stopped at the limit."""
    left = [product(n) for n in range(100)]
    poll(catalog, left)
    for _ in range(20):
        clock.advance(minutes=1)
        vanished = left[:10]
        with catalog.connection.writing():
            expected = Expectation(WithdrawalRule(0.2), len(left))
            found = catalog.withdrawals.record(subject(), vanished, expected)
        left = [entry for entry in left if entry not in found.withdrawn]
    assert len(left) == 80
    clock.advance(hours=25)
    with catalog.connection.writing():
        found = catalog.withdrawals.record(
            subject(), left[:10], Expectation(WithdrawalRule(0.2), len(left))
        )
    assert len(found.withdrawn) == 10
