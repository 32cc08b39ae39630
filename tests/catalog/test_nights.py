"""What changed in a night of a program, and whether it is settled, by the catalog."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.catalogs import (
    ALL,
    DIFF,
    OTHER,
    REPROCESSED,
    STACK,
    candidates,
    commit,
    poll,
    publish,
    query,
    rows,
    subject,
)
from support.makers import NIGHT, PROGRAM, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import migrations
from winter_sync.catalog.night_records import NightOf
from winter_sync.catalog.records import Check, Poll
from winter_sync.catalog.sqlite import Database
from winter_sync.core.downloads import Failed, Missing
from winter_sync.core.nights import NightHistory
from winter_sync.core.products import Damage
from winter_sync.core.traits import ImageType
from winter_sync.core.withdrawals import Expectation, WithdrawalRule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.clock import Clock

OURS = NightOf(PROGRAM, NIGHT)
SUBJECTS = [subject(), subject(kind=ImageType.DIFF)]


def changes(catalog: Catalog, program: str = PROGRAM) -> int:
    """Return how many changes of a program's night were counted."""
    return sum(
        found["changes"] for found in rows(catalog, "night_changes") if found["program"] == program
    )


def lose(catalog: Catalog) -> None:
    """Find that the file of the stack is gone."""
    (held,) = (each for each in catalog.files.held(ALL, NIGHT) if each.product == STACK)
    catalog.checks.want_lost([Check(held, Damage.MISSING, "gone")])


CHANGES: list[tuple[str, Callable[[Catalog], object]]] = [
    ("a new product", lambda catalog: poll(catalog, [STACK, DIFF, product(5)])),
    ("new content", lambda catalog: _reprocess(catalog, b"two")),
    ("new marks", lambda catalog: poll(catalog, [STACK, DIFF], wanted=[row(STACK)])),
    ("a withdrawal", lambda catalog: poll(catalog, [DIFF], withdrawn=[STACK])),
    ("a lost file", lose),
    (
        "no file at the archive",
        lambda catalog: commit(
            catalog, *(Missing(each) for each in candidates(catalog) if each.product == DIFF)
        ),
    ),
]


def _reprocess(catalog: Catalog, content: bytes) -> None:
    poll(catalog, [STACK, DIFF], marks=REPROCESSED, wanted=[row(STACK, marks=REPROCESSED)])
    publish(catalog, STACK, content)


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[n for n, _ in CHANGES])
def test_every_change_of_a_night_is_counted(
    catalog: Catalog, change: Callable[[Catalog], object]
) -> None:
    """Whatever changes it, and for each program that lists what changed."""
    for program in (PROGRAM, OTHER):
        poll(catalog, [STACK, DIFF], program=program)
    publish(catalog, STACK, b"one")
    before = changes(catalog)
    change(catalog)
    assert changes(catalog) > before


def test_a_shared_product_changes_the_nights_of_both_programs(catalog: Catalog) -> None:
    """What one program brings is in the night of the other; what it no longer lists is not."""
    poll(catalog, [STACK])
    poll(catalog, [STACK], program=OTHER)
    before = changes(catalog), changes(catalog, OTHER)
    publish(catalog, STACK, b"one")
    assert (changes(catalog), changes(catalog, OTHER)) == (before[0] + 1, before[1] + 1)
    poll(catalog, [], withdrawn=[STACK])
    assert (changes(catalog), changes(catalog, OTHER)) == (before[0] + 2, before[1] + 1)


def test_what_stays_the_same_is_no_change(catalog: Catalog) -> None:
    """A listing that is repeated, a download that failed, a lease."""
    poll(catalog, [STACK, DIFF])
    publish(catalog, STACK, b"one")
    before = changes(catalog)
    for _ in range(3):
        poll(catalog, [STACK, DIFF])
        commit(catalog, *(Failed(each, "broken") for each in candidates(catalog)))
    assert changes(catalog) == before
    catalog.settling.notice_changes()
    assert changes(catalog) == before


def test_the_time_of_a_change_is_when_it_was_noticed(catalog: Catalog, clock: Clock) -> None:
    """Of each kind of product its own; of the night the latest; unknown while not noticed."""
    poll(catalog, [STACK, DIFF])
    assert catalog.nights.record_of(OURS, SUBJECTS).history.changed_at is None
    catalog.settling.notice_changes()
    first = clock()
    clock.advance(hours=1)
    publish(catalog, STACK, b"one")
    catalog.settling.notice_changes()
    times = {
        kind.count.image_type: kind.changed_at
        for kind in catalog.nights.kinds(NIGHT, [PROGRAM, OTHER])
    }
    assert times == {ImageType.STACK: clock(), ImageType.DIFF: first}
    assert catalog.nights.record_of(OURS, SUBJECTS).history.changed_at == clock()


def test_counts_of_a_program_are_those_that_it_lists(catalog: Catalog) -> None:
    """What another program still lists is withdrawn for the one that does not."""
    for program in (PROGRAM, OTHER):
        poll(catalog, [STACK, DIFF], program=program)
    publish(catalog, STACK, b"one")
    commit(catalog, *(Failed(each, "broken") for each in candidates(catalog)))
    poll(catalog, [DIFF], withdrawn=[STACK])
    ours = {k.count.image_type: k for k in catalog.nights.kinds(NIGHT, [PROGRAM])}
    theirs = {k.count.image_type: k for k in catalog.nights.kinds(NIGHT, [OTHER])}
    stack = ours[ImageType.STACK].count
    assert (stack.published, stack.withdrawn_here, stack.withdrawn) == (1, 1, 1)
    assert theirs[ImageType.STACK].count.withdrawn == 0
    assert ours[ImageType.DIFF].failing == theirs[ImageType.DIFF].failing == 1
    (kept,) = (file for file in catalog.nights.files(OURS) if file.product == STACK)
    assert (kept.state, kept.is_here) == ("withdrawn", True)


def test_nights_of_an_earlier_catalog_count_as_changed_at_an_unknown_time(
    path: Path, clock: Clock
) -> None:
    """Nothing in it is settled by polls of then: all its nights are noticed first."""
    with closing(Database(path)) as db:
        migrations.apply(db, stop_before="record_settled_nights")
        times = {"first_listed": "2024-01-31", "last_listed": "2024-01-31"}
        for entry in (STACK, DIFF):
            identity = {"instrument": entry.instrument.value, "savepath": entry.savepath}
            more = {"night": NIGHT.name, "filename": entry.filename, "path": path_of(entry)}
            kind = {"image_type": entry.image_type.value, "state": "published"}
            db.table("products").insert({**identity, **more, **kind, **times})
            db.table("listings").insert({"program": PROGRAM, **identity, "region": "", **times})
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, [STACK, DIFF])
        record = catalog.nights.record_of(OURS, SUBJECTS)
        assert (record.history.numbers.here, record.history.changed_at) == (2, None)
        catalog.settling.notice_changes()
        assert catalog.nights.record_of(OURS, SUBJECTS).history.changed_at == clock()


def test_what_is_held_in_doubt_keeps_its_night_from_settling(
    catalog: Catalog, clock: Clock
) -> None:
    """The answers that lack it are not believed: they are no sign that the night is complete."""
    many = [product(number) for number in range(12)]
    poll(catalog, many)
    for each in many:
        publish(catalog, each, b"x")
    catalog.settling.notice_changes()
    clock.advance(days=60)
    asked = query()
    poll(catalog, many)
    settled = partial(NightHistory.is_settled, settle_after=timedelta(days=2), now=clock())
    before = catalog.nights.record_of(OURS, [subject()]).history
    catalog.listings.record_poll(
        Poll(asked, sweep=False), withdrawn=many, expectation=Expectation(WithdrawalRule(), 12)
    )
    after = catalog.nights.record_of(OURS, [subject()]).history
    assert (before.held, after.held) == (0, 12)
    assert (settled(before), settled(after)) == (True, False)
    poll(catalog, many)
    assert settled(catalog.nights.record_of(OURS, [subject()]).history)
