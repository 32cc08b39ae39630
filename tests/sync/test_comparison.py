"""What a listing means, held against the catalog: in examples, and over the life of a mirror."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.named import (
    NEW,
    OLD,
    OTHER_PROGRAM,
    PROGRAM,
    candidate,
    check_batch,
    known,
    product,
    row,
)

from winter_sync.core.backoff import (
    FAILED_DOWNLOAD,
    MISSING_PRODUCT,
)
from winter_sync.core.marks import Marks, marks_of_row
from winter_sync.core.products import KnownProduct, Product, Row, State
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.batching import (
    choose_batch,
)
from winter_sync.sync.comparison import Comparison, compare, is_reprocessed

if TYPE_CHECKING:
    from winter_sync.core.downloads import Candidate


def test_a_listing_is_sorted_into_what_it_means() -> None:
    """New, changed, returned, same and withdrawn products are distinguished."""
    new, changed, back, same, gone = (product(name) for name in "abcde")
    result = compare(
        [row(new), row(changed, NEW), row(back), row(same)],
        [known(changed), known(back, withdrawn=True), known(same), known(gone)],
        [changed, same, gone],
    )
    assert result == Comparison([row(new)], [row(changed, NEW)], [row(back)], [row(same)], [gone])
    assert list(result.rows) == [row(new), row(changed, NEW), row(back), row(same)]


def test_a_product_that_is_back_and_changed_is_changed() -> None:
    """What came back with other marks is to be fetched again."""
    one = product()
    assert compare([row(one, NEW)], [known(one, withdrawn=True)], []).changed == [row(one, NEW)]


def test_two_rows_of_one_product_count_as_one_with_the_marks_of_both() -> None:
    """A product that a listing has twice counts once, and no order of the rows changes that."""
    one = product()
    for rows in ([row(one), row(one, NEW)], [row(one, NEW), row(one)]):
        (changed,) = compare(rows, [known(one)], [one]).changed
        assert marks_of_row(changed).cover(OLD)
        assert marks_of_row(changed).cover(NEW)
        assert compare(rows, [known(one, marks=marks_of_row(changed))], [one]).changed == []


def test_the_marks_of_all_rows_of_a_product_count() -> None:
    """Rows that disagree in the version alone leave the product with both versions."""
    one = product()
    older, newer = Marks("2024-02-12T00:00:00", "0.9"), Marks("2024-02-12T00:00:00", "1.0")
    (new,) = compare([row(one, older), row(one, newer)], [], []).new
    assert marks_of_row(new) == Marks("2024-02-12T00:00:00", "0.9\n1.0")


def test_a_row_that_stands_alone_is_kept_as_it_is() -> None:
    """What the archive wrote is not rewritten, however odd its marks are."""
    odd = row(product(), Marks(" 2024-02-12T00:00:00Z ", "v1.0 "))
    assert compare([odd], [], []).new == [odd]


def test_some_of_a_comparison_keeps_what_each_row_is() -> None:
    """Leaving rows out moves none from new to changed, and forgets nothing that is withdrawn."""
    names = [product(name) for name in "abcdefgh"]
    new, changed, returned, same = (
        [row(entry) for entry in names[n : n + 2]] for n in range(0, 8, 2)
    )
    gone = [product("gone")]
    firsts = [rows[0] for rows in (new, changed, returned, same)]
    some = Comparison(new, changed, returned, same, gone).only(lambda row: row in firsts)
    assert some == Comparison(new[:1], changed[:1], returned[:1], same[:1], gone)


def test_a_basename_is_no_identity() -> None:
    """Neither another directory nor another camera makes a product known."""
    one = product("final/a.fits")
    others = [product("diffs/a.fits"), replace(one, instrument=Instrument.SPRING)]
    result = compare([row(other) for other in others], [known(one)], [one])
    assert [each.product for each in result.new] == others
    assert result.withdrawn == [one]


@pytest.mark.parametrize(
    ("listed", "settled", "changed"),
    [
        (OLD, OLD, False),
        (NEW, OLD, True),
        (OLD, NEW, True),
        (Marks("2024-02-12", "1.0"), OLD, True),
        (Marks(None, None), OLD, False),
        (Marks(None, "0.9"), OLD, False),
        (Marks(None, "1.0"), OLD, True),
        (OLD, Marks(None, None), True),
        (Marks(None, None), Marks(None, None), False),
    ],
)
@pytest.mark.parametrize("state", [State.PUBLISHED, State.MISSING])
def test_a_mark_that_differs_means_reprocessed(
    listed: Marks,
    settled: Marks,
    changed: bool,  # noqa: FBT001 - a parameter
    state: State,
) -> None:
    """A mark other than the one it was settled under is a change; an absent one is none."""
    one = product()
    assert is_reprocessed(row(one, listed), known(one, state, settled)) is changed


def test_what_is_wanted_anyway_is_not_reprocessed() -> None:
    """A product that has not come yet needs no other reason to be fetched."""
    one = product()
    assert not is_reprocessed(row(one, NEW), known(one, State.WANTED))


def test_an_exposure_is_never_reprocessed() -> None:
    """The camera's own file stays what it is, whatever the pipeline does."""
    one = product(image_type=ImageType.EXPOSURE)
    assert not is_reprocessed(row(one, NEW), known(one))


@dataclass
class Kept:
    """What a catalog would know of a product, and what the test knows better."""

    state: State = State.WANTED
    settled: Marks = field(default_factory=Marks)
    listed: Marks = field(default_factory=Marks)
    withdrawn: bool = False
    attempts: int = 0
    not_before: timedelta = timedelta(0)
    reasons: int = 1
    """How often there was a reason to ask for it."""
    asked: int = 0


PRODUCTS = [
    product(f"{folder}/{image_type}/{name}.fits", image_type, instrument)
    for folder in ("final", "again")
    for name in "xyz"
    for image_type in (ImageType.STACK, ImageType.EXPOSURE)
    for instrument in Instrument
]


PROGRAMS = (PROGRAM, OTHER_PROGRAM)


any_marks = st.builds(
    Marks, st.sampled_from([None, "1", "2", "3"]), st.sampled_from([None, "0.9", "1.0"])
)


class MirrorLife(RuleBasedStateMachine):
    """An archive that changes and a mirror that follows it by comparing alone."""

    def __init__(self) -> None:
        super().__init__()
        self.archive: dict[Product, Marks] = {}
        self.programs: dict[Product, set[str]] = {entry: set() for entry in PRODUCTS}
        self.kept: dict[Product, Kept] = {}
        self.listings: set[tuple[str, Product]] = set()
        self.now = timedelta(0)

    # What the archive does.

    @rule(
        one=st.sampled_from(PRODUCTS), marks=any_marks, programs=st.sets(st.sampled_from(PROGRAMS))
    )
    def listed_as(self, one: Product, marks: Marks, programs: set[str]) -> None:
        """Have a product listed under these programs; it appears, changes or vanishes."""
        self.archive[one] = marks
        self.programs[one] = programs

    @rule(
        program=st.sampled_from(PROGRAMS),
        kind=st.sampled_from([ImageType.STACK, ImageType.EXPOSURE]),
    )
    def vanish(self, program: str, kind: ImageType) -> None:
        """Take all products of a type from a program."""
        for entry in PRODUCTS:
            if entry.image_type is kind:
                self.programs[entry].discard(program)

    # What the mirror does.

    @rule(
        program=st.sampled_from(PROGRAMS),
        instrument=st.sampled_from(Instrument),
        kind=st.sampled_from([ImageType.STACK, ImageType.EXPOSURE]),
    )
    def poll(self, program: str, instrument: Instrument, kind: ImageType) -> None:
        """Compare one listing with what is known, and do what the comparison says."""

        def mine(one: Product) -> bool:
            return (one.instrument, one.image_type) == (instrument, kind)

        rows = [
            row(entry, self.archive[entry], program)
            for entry in PRODUCTS
            if mine(entry) and program in self.programs[entry]
        ]
        facts = [
            KnownProduct(entry, kept.state, kept.settled, kept.withdrawn)
            for entry, kept in self.kept.items()
        ]
        expected = [listing for name, listing in self.listings if name == program and mine(listing)]
        before = {entry: replace(kept) for entry, kept in self.kept.items()}
        found = compare(rows, facts, expected)
        self.apply(program, found)
        self.judge(rows, found, before)

    def apply(self, program: str, found: Comparison) -> None:
        """Do as the catalog does with a comparison."""
        for each in found.rows:
            kept = self.kept.setdefault(each.product, Kept())
            kept.listed = Marks(each.lastmodified, each.pipeversion)
            kept.withdrawn = False
            self.listings.add((program, each.product))
        for each in found.changed:
            kept = self.kept[each.product]
            kept.state, kept.attempts, kept.not_before = State.WANTED, 0, timedelta(0)
            kept.reasons += 1
        for entry in found.withdrawn:
            self.listings.discard((program, entry))
            self.kept[entry].withdrawn = not any(entry == listed for _, listed in self.listings)

    def judge(self, rows: list[Row], found: Comparison, before: dict[Product, Kept]) -> None:
        """Hold a comparison against what the test itself saw happen."""
        listed = {each.product for each in rows}
        assert sorted(each.product.savepath for each in found.rows) == sorted(
            entry.savepath for entry in listed
        )
        assert {each.product for each in found.new} == listed - set(before)
        for each in found.returned:
            assert before[each.product].withdrawn
        for each in found.changed:
            was = before[each.product]
            assert was.state is not State.WANTED
            assert each.product.image_type is not ImageType.EXPOSURE
            assert Marks(each.lastmodified, each.pipeversion) != was.settled
        assert not listed & set(found.withdrawn)

    def candidates(self) -> list[Candidate]:
        """Return what may be fetched now, as the catalog orders it."""
        due = [
            candidate(entry, program=min(self.listed_under(entry)), attempts=kept.attempts)
            for entry, kept in self.kept.items()
            if kept.state is not State.PUBLISHED
            and not kept.withdrawn
            and kept.not_before <= self.now
        ]
        return sorted(due, key=lambda one: (one.attempts, one.product.savepath))

    def listed_under(self, one: Product) -> list[str]:
        """Return the programs that list a product, as far as the mirror knows."""
        return [program for program, listed in self.listings if listed == one]

    @precondition(lambda self: self.candidates())
    @rule(outcomes=st.lists(st.sampled_from(State), min_size=1, max_size=5))
    def fetch(self, outcomes: list[State]) -> None:
        """Ask for a batch; each product comes, fails or is missing on the server."""
        chosen = choose_batch(self.candidates())
        check_batch(chosen)
        for number, each in enumerate(chosen):
            self.settle(self.kept[each.product], outcomes[number % len(outcomes)])

    def settle(self, kept: Kept, outcome: State) -> None:
        """Do as the catalog does with an outcome; wanted means that it failed."""
        kept.asked += 1
        assert kept.asked <= kept.reasons
        kept.state = outcome
        if outcome is State.PUBLISHED:
            kept.settled, kept.attempts = kept.listed, 0
            return
        kept.attempts += 1
        kept.reasons += 1
        if outcome is State.MISSING:
            kept.settled = kept.listed
            kept.not_before = self.now + MISSING_PRODUCT.delay(kept.attempts)
        else:
            kept.not_before = self.now + FAILED_DOWNLOAD.delay(kept.attempts, 0.5)

    @rule(passed=st.timedeltas(timedelta(minutes=1), timedelta(days=2)))
    def wait(self, passed: timedelta) -> None:
        """Let time pass."""
        self.now += passed

    @rule()
    def follow(self) -> None:
        """Poll everything and fetch until nothing is left: the mirror is the archive."""
        self.now += timedelta(days=2)
        for program in PROGRAMS:
            for instrument in Instrument:
                for kind in (ImageType.STACK, ImageType.EXPOSURE):
                    self.poll(program, instrument, kind)
        while self.candidates():
            self.fetch([State.PUBLISHED])
        for entry, programs in self.programs.items():
            if not programs:
                assert entry not in self.kept or self.kept[entry].withdrawn
                continue
            kept = self.kept[entry]
            assert kept.state is State.PUBLISHED
            assert kept.asked == kept.reasons
            self.assert_current(entry, kept)

    def assert_current(self, one: Product, kept: Kept) -> None:
        """Make sure that a content was fetched under the marks that the archive now shows."""
        if one.image_type is ImageType.EXPOSURE:
            return
        marks = self.archive[one]
        assert marks.lastmodified in (None, kept.settled.lastmodified)
        assert marks.pipeversion in (None, kept.settled.pipeversion)

    @invariant()
    def nothing_that_was_withdrawn_is_asked_for(self) -> None:
        """Make sure that a candidate is listed under the program whose key would fetch it."""
        for each in self.candidates():
            assert (each.program, each.product) in self.listings


TestMirrorLife = MirrorLife.TestCase


TestMirrorLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
