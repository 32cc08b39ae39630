"""What became of products, and what a crash left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import (
    ALL,
    DIFF,
    REPROCESSED,
    STACK,
    candidates,
    commit,
    count_wanted,
    poll,
    publish,
    rows,
    stored,
    waiting,
)
from support.makers import candidate, evidence, row, sha256

from winter_sync.core.downloads import Failed, Missing, Outcome, Published, Unchanged
from winter_sync.core.marks import Marks
from winter_sync.core.products import State

if TYPE_CHECKING:
    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog


def test_a_published_product_is_done(catalog: Catalog) -> None:
    """A publication is recorded with path, size, digest and marks, and ends the lease."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    found = stored(catalog, STACK)
    assert (found["state"], found["size"], found["sha256"]) == ("published", 7, sha256(b"content"))
    assert (found["revision"], found["claimed_by"], found["attempts"]) == (1, None, 0)
    assert found["published_at"] == "2024-02-01T12:00:00.000+00:00"
    assert (found["settled_lastmodified"], found["settled_pipeversion"]) == (
        *("2024-02-01T00:00:00", "1.0"),
    )
    assert waiting(catalog) == []
    assert count_wanted(catalog, ALL) == 0


def test_every_revision_is_remembered(catalog: Catalog, clock: Clock) -> None:
    """Each new content is a revision, which knows when it was replaced and where it was kept."""
    poll(catalog, [STACK])
    for number, content in enumerate((b"one", b"two", b"three")):
        publish(catalog, STACK, content, kept=f"kept {number}" if number else None)
        clock.advance(hours=1)
        poll(catalog, wanted=[row(STACK)])
    history = [
        (
            revision["revision"],
            revision["sha256"],
            revision["kept"],
            revision["published_at"],
            revision["replaced_at"],
        )
        for revision in rows(catalog, "revisions")
    ]
    noon, one, two = (f"2024-02-01T{hour}:00:00.000+00:00" for hour in (12, 13, 14))
    assert history == [
        (1, sha256(b"one"), "kept 1", noon, one),
        (2, sha256(b"two"), "kept 2", one, two),
        (3, sha256(b"three"), None, two, None),
    ]
    assert stored(catalog, STACK)["revision"] == 3


@pytest.mark.parametrize("outcome", [Published, Unchanged])
def test_the_same_content_is_no_new_revision(
    catalog: Catalog, outcome: type[Published | Unchanged]
) -> None:
    """Content that the tree had already settles the new marks and adds nothing to the history."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    poll(catalog, [STACK], marks=REPROCESSED, wanted=[row(STACK)])
    (taken,) = candidates(catalog)
    held = replace(evidence(STACK, b"content"), marks=taken.marks)
    commit(catalog, outcome(taken, held))
    found = stored(catalog, STACK)
    assert (found["state"], found["revision"]) == ("published", 1)
    (known,) = catalog.listings.known([STACK.identity])
    assert known.settled_marks.cover(REPROCESSED)
    assert len(rows(catalog, "revisions")) == 1


def test_what_a_person_had_put_there_is_the_first_revision(catalog: Catalog) -> None:
    """Content that was in the tree before it was ever fetched is recorded as ours."""
    poll(catalog, [STACK])
    commit(catalog, Unchanged(candidates(catalog)[0], evidence(STACK, b"content")))
    assert stored(catalog, STACK)["state"] == "published"
    assert [revision["revision"] for revision in rows(catalog, "revisions")] == [1]


def test_a_failed_product_waits(catalog: Catalog, clock: Clock) -> None:
    """A failure is counted and recorded, and the product is offered again after the wait given."""
    poll(catalog, [STACK])
    waits: list[tuple[int, Outcome]] = []

    def when_again(attempts: int, outcome: Outcome) -> timedelta:
        waits.append((attempts, outcome))
        return timedelta(minutes=10 * attempts)

    for attempts in (1, 2):
        (taken,) = candidates(catalog)
        catalog.queue.claim([taken], "session")
        failed = Failed(taken, "it was dark")
        catalog.outcomes.commit([failed], when_again)
        assert waits[-1] == (attempts, failed)
        assert waiting(catalog) == []
        assert count_wanted(catalog, ALL) == 1
        clock.advance(minutes=10 * attempts - 0.01)
        assert waiting(catalog) == []
        clock.advance(minutes=0.01)
        assert [queued.attempts for queued in candidates(catalog)] == [attempts]
    assert stored(catalog, STACK)["last_error"] == "it was dark"


def test_a_missing_product_waits_and_is_not_wanted(catalog: Catalog, clock: Clock) -> None:
    """What the server does not have is asked for again later, and nobody waits for it."""
    poll(catalog, [STACK])
    commit(catalog, Missing(candidates(catalog)[0]), wait=timedelta(hours=1))
    assert (waiting(catalog), count_wanted(catalog, ALL)) == ([], 0)
    (known,) = catalog.listings.known([STACK.identity])
    assert known.state is State.MISSING
    assert known.settled_marks == Marks("2024-02-01T00:00:00", "1.0")
    clock.advance(hours=1)
    assert [queued.attempts for queued in candidates(catalog)] == [1]


def test_a_product_that_went_missing_keeps_its_earlier_marks(catalog: Catalog) -> None:
    """Published under some marks and missing under newer, neither of them is a change again."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    poll(catalog, [STACK], marks=REPROCESSED, wanted=[row(STACK)])
    commit(catalog, Missing(candidates(catalog)[0]))
    (known,) = catalog.listings.known([STACK.identity])
    assert known.settled_marks.cover(REPROCESSED)
    assert known.settled_marks.cover(Marks("2024-02-01T00:00:00", "1.0"))


def test_a_file_that_was_moved_aside_is_known_also_without_a_new_revision(
    catalog: Catalog,
) -> None:
    """What stood where unchanged content was put back is ours to account for, not a stray file."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    poll(catalog, wanted=[row(STACK)])
    publish(catalog, STACK, b"content", kept="the kept one")
    assert len(rows(catalog, "revisions")) == 1
    assert catalog.files.known_kept(["the kept one", "another"]) == {"the kept one"}


def test_outcomes_are_recorded_together_or_not_at_all(catalog: Catalog) -> None:
    """A commit that fails half-way leaves every product as it was claimed."""
    poll(catalog, [STACK, DIFF])
    first, second = catalog.queue.claim(candidates(catalog), "session")
    outcomes: list[Outcome] = [
        Published(first, evidence(STACK, b"content")),
        Failed(second, "it was dark"),
    ]
    with pytest.raises(ZeroDivisionError):
        catalog.outcomes.commit(outcomes, lambda attempts, _: timedelta(hours=1 // (attempts - 1)))
    assert stored(catalog, STACK)["state"] == "wanted"
    assert catalog.queue.claimants() == ["session"]
    commit(catalog, *outcomes)
    assert stored(catalog, STACK)["state"] == "published"


def test_an_outcome_of_an_unknown_product_is_ignored(catalog: Catalog) -> None:
    """A product that is not in the catalog has no state to record."""
    commit(catalog, Published(candidate(STACK), evidence(STACK, b"content")))
    commit(catalog, Failed(candidate(STACK), "it was dark"))
    commit(catalog, Missing(candidate(STACK)))
    assert (rows(catalog, "products"), rows(catalog, "revisions")) == ([], [])


def refuse(catalog: Catalog, content: bytes | None) -> None:
    """Commit that the stack came with this content and was refused for one of its cards."""
    (taken,) = candidates(catalog)
    digest = sha256(content) if content is not None else None
    commit(catalog, Failed(taken, "its sum is wrong", blamed=True, sha256=digest))


def test_a_refused_content_is_reported_after_an_hour(catalog: Catalog, clock: Clock) -> None:
    """Content refused for one of its cards is handed back once it has been so for an hour."""
    poll(catalog, [STACK])
    refuse(catalog, b"odd")
    for minutes in (0, 30, 29.9):
        clock.advance(minutes=minutes)
        assert [queued.refused_sha256 for queued in candidates(catalog)] == [None]
        refuse(catalog, b"odd")
    clock.advance(minutes=0.1)
    assert [queued.refused_sha256 for queued in candidates(catalog)] == [sha256(b"odd")]
    refuse(catalog, None)
    assert [queued.refused_sha256 for queued in candidates(catalog)] == [sha256(b"odd")]


def test_another_refused_content_begins_anew(catalog: Catalog, clock: Clock) -> None:
    """Content that still changes is being written: its hour begins again, and ends with success."""
    poll(catalog, [STACK])
    refuse(catalog, b"half")
    clock.advance(hours=2)
    refuse(catalog, b"more")
    assert [queued.refused_sha256 for queued in candidates(catalog)] == [None]
    clock.advance(hours=1)
    assert [queued.refused_sha256 for queued in candidates(catalog)] == [sha256(b"more")]
    publish(catalog, STACK, b"whole")
    poll(catalog, wanted=[row(STACK)])
    assert [queued.refused_sha256 for queued in candidates(catalog)] == [None]


def test_what_a_crash_left_is_adopted_once(catalog: Catalog) -> None:
    """A file that was renamed but not committed is recorded, ends its lease, and is news once."""
    poll(catalog, [STACK])
    catalog.queue.claim(candidates(catalog), "killed")
    assert catalog.outcomes.adopt(evidence(STACK, b"content"))
    assert not catalog.outcomes.adopt(evidence(STACK, b"content"))
    found = stored(catalog, STACK)
    assert (found["state"], found["revision"], found["claimed_by"]) == ("published", 1, None)
    assert len(rows(catalog, "revisions")) == 1
    assert waiting(catalog) == []


def test_a_newer_content_is_adopted_as_a_revision(catalog: Catalog) -> None:
    """What a crash left of a reprocessed product is its next revision; the kept one is recorded."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"one")
    poll(catalog, wanted=[row(STACK)])
    assert catalog.outcomes.adopt(replace(evidence(STACK, b"two"), kept="the kept one"))
    assert [revision["kept"] for revision in rows(catalog, "revisions")] == ["the kept one", None]


def test_unchanged_content_of_a_wanted_product_is_adopted(catalog: Catalog) -> None:
    """What a crash left is not fetched once more, although its content was known before."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    poll(catalog, wanted=[row(STACK)])
    assert catalog.outcomes.adopt(evidence(STACK, b"content"))
    assert (stored(catalog, STACK)["state"], waiting(catalog)) == ("published", [])


def test_newer_content_than_the_catalog_knows_is_adopted(catalog: Catalog) -> None:
    """A catalog put back from a copy takes the tree's content for what is published."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"one")
    assert catalog.outcomes.adopt(evidence(STACK, b"two"))
    assert stored(catalog, STACK)["sha256"] == sha256(b"two")


def test_a_product_that_nobody_lists_is_not_adopted(catalog: Catalog) -> None:
    """Evidence of a product that the catalog does not know is ignored."""
    assert not catalog.outcomes.adopt(evidence(STACK, b"content"))
