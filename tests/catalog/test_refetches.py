"""Re-fetches by the catalog: any history of listings, contents, crashes and removals adds up."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalogs import ALL, candidates, commit, poll, publish, rows, stored
from support.clock import Clock
from support.makers import evidence, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import FileSetAside
from winter_sync.core.downloads import Missing, Published, Refetch, Unchanged
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.marks import Marks
from winter_sync.core.traits import FETCH_ORDER
from winter_sync.sync import KeepLimits
from winter_sync.sync.retention import exceeding
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from winter_sync.core.downloads import Candidate

STACKS = [product(number) for number in range(5)]
STEPS = st.lists(
    st.one_of(
        st.sampled_from(["list again", "mark", "remove", "remove and die", "recheck", "fetch"]),
        st.tuples(
            st.sampled_from(["remake", "remake and die after keep", "remake and die after rename"]),
            st.integers(0, len(STACKS) - 1),
        ),
    ),
    max_size=20,
)


class Kept:
    """A catalog and a tree, and an archive whose contents are numbers."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.catalog = Catalog(directory / "catalog.sqlite3", self.clock)
        self.tree = Tree(directory / "winter", free_space=lambda _: 2**40)
        self.tree.prepare("mirror")
        self.contents = dict.fromkeys(STACKS, 0)
        self.seen = {one: [0] for one in STACKS}
        self.marks = 0
        self.sessions = 0
        self.known: dict[object, tuple[int, int]] = {}
        """Content and marks under which each product was fetched last."""

    def list_again(self) -> None:
        """List all under the marks of now; want what changed its marks."""
        self.clock.advance(hours=1)
        marks = Marks(f"2024-02-{1 + self.marks:02}T00:00:00", str(self.marks))
        known = self.catalog.listings.known([one.identity for one in STACKS])
        wanted = [
            row(each.product, marks=marks)
            for each in known
            if each.state == "published" and not each.settled_marks.cover(marks)
        ]
        poll(self.catalog, STACKS, marks=marks, wanted=wanted)

    def fetch(self, die: str = "") -> None:
        """Fetch what may be fetched; die at a step of the first that has other content."""
        while found := candidates(self.catalog, limit=1):
            self.clock.advance(minutes=1)
            self.catalog.queue.claim(found, "session")
            if self._fetch(found[0], die):
                self.catalog.queue.release_all("session")
                return

    def _fetch(self, taken: Candidate, die: str) -> bool:
        """Fetch a product; return whether the process died of it."""
        content = b"%d of %s" % (self.contents[taken.product], taken.product.filename.encode())
        proof = replace(evidence(taken.product, content), marks=taken.marks)
        if held := self.tree.make_durable([proof]):
            commit(self.catalog, Unchanged(taken, held[0]))
            return False
        self.sessions += 1
        with self.tree.session(f"session{self.sessions}") as session:
            if die == "after keep" and taken.published_sha256:
                place = self.tree.directories.make(Path(taken.path).parent)  # type: ignore[arg-type] # pure in all that counts
                self.tree.revisions.keep(taken.path, place, session.stage)
                return True
            with session.stage() as part:
                part.write(content)
                put = session.publish(part, proof, batch="batch", keep=True)
            session.forget_journal("batch")
        if die == "after rename":
            self.catalog.outcomes.adopt(put)  # what the next start finds in the journal
            return True
        commit(self.catalog, Published(taken, put))
        return False

    def remove(self, *, die: bool) -> None:
        """Keep one older revision of each; die between the first file and its record."""
        kept = self.catalog.history.kept()
        for one in exceeding(kept, KeepLimits(count=1), self.clock()):
            removed = self.tree.revisions.remove(one.kept, one.sha256)
            if die:
                return
            self.catalog.history.forget_kept(one, removed=removed)

    def check(self) -> None:
        """Check that the newest content is here, the history whole, and kept what it says."""
        for one in STACKS:
            found = [
                each for each in rows(self.catalog, "revisions") if each["savepath"] == one.savepath
            ]
            assert [each["revision"] for each in found] == list(range(1, len(found) + 1))
            assert [each["replaced_at"] is None for each in found] == [False] * (len(found) - 1) + [
                True
            ]
            ends = [each["replaced_at"] for each in found[:-1]]
            assert ends == [each["published_at"] for each in found[1:]]
            assert stored(self.catalog, one)["revision"] == len(found)
            assert sha256_of_file(self.tree.root / found[-1]["path"]) == found[-1]["sha256"]
            for each in found:
                if each["kept"]:
                    assert sha256_of_file(self.tree.root / each["kept"]) == each["sha256"]


@given(steps=STEPS)
@settings(max_examples=15)
def test_any_history_adds_up(steps: list[str | tuple[str, int]]) -> None:
    """Tree and catalog agree after any listings, marks, remakes, deaths and removals."""
    with tempfile.TemporaryDirectory() as directory:
        mirror = Kept(Path(directory))
        with closing(mirror.catalog):
            mirror.list_again()
            mirror.fetch()
            for step in steps:
                take(mirror, step)
            mirror.marks += 1
            for one in STACKS:
                mirror.contents[one] += 100
            mirror.list_again()
            mirror.fetch()
            mirror.remove(die=False)
            mirror.check()
            assert {len(found) for found in kept_of(mirror).values()} <= {1}
            newest = {
                one: b"%d of %s" % (mirror.contents[one], one.filename.encode()) for one in STACKS
            }
            for one, content in newest.items():
                assert (
                    mirror.tree.root / stored(mirror.catalog, one)["path"]
                ).read_bytes() == content
            mirror.list_again()
            assert candidates(mirror.catalog) == [], "nothing is fetched twice"


def take(mirror: Kept, step: str | tuple[str, int]) -> None:
    """Do one step of a history."""
    match step:
        case "list again":
            mirror.list_again()
        case "mark":
            mirror.marks += 1
            mirror.list_again()
        case "fetch":
            mirror.fetch()
        case "recheck":
            mirror.catalog.refetches.ask(ALL, confirmed_for=timedelta(0))
            mirror.fetch()
        case "remove" | "remove and die":
            mirror.remove(die=step != "remove")
        case (what, number):
            mirror.contents[STACKS[number]] += 1
            mirror.marks += 1
            mirror.list_again()
            mirror.fetch(what.removeprefix("remake").removeprefix(" and die "))


def kept_of(mirror: Kept) -> dict[str, list[str]]:
    """Return where older revisions of each product are kept."""
    found: dict[str, list[str]] = {}
    for one in mirror.catalog.history.kept():
        found.setdefault(one.savepath, []).append(one.kept)
    return found


def test_spare_time_takes_the_least_recently_confirmed(catalog: Catalog, clock: Clock) -> None:
    """As many as fit, and one beyond; they count as here, and what was confirmed comes last."""
    poll(catalog, STACKS)
    for one in STACKS:
        publish(catalog, one, b"content")
        clock.advance(hours=1)
    assert catalog.refetches.ask_least_recent(ALL, 8, unconfirmed_for=timedelta(0)) == 2
    assert [each.product for each in candidates(catalog)] == STACKS[:2]
    assert catalog.views.summary(ALL.programs).published == len(STACKS)
    first, second = candidates(catalog)
    commit(catalog, Unchanged(first, evidence(first.product, b"content")))
    commit(catalog, Missing(second), wait=timedelta(days=1))
    assert catalog.refetches.size_today(Refetch.SPARE) == len(b"content")
    clock.advance(hours=1)
    assert catalog.refetches.ask_least_recent(ALL, 10**9, unconfirmed_for=timedelta(0)) == 4
    assert [each.product for each in candidates(catalog)] == [STACKS[0], *STACKS[2:]]
    assert catalog.refetches.ask_least_recent(ALL, 0, unconfirmed_for=timedelta(0)) == 0


def test_a_new_day_has_a_budget_of_its_own(catalog: Catalog, clock: Clock) -> None:
    """What was fetched again counts on its UTC day, in bytes, by reason."""
    poll(catalog, STACKS[:1])
    publish(catalog, STACKS[0], b"content")
    catalog.refetches.ask(ALL, confirmed_for=timedelta(0))
    (taken,) = candidates(catalog)
    assert taken.refetch is Refetch.ASKED
    commit(catalog, Published(taken, evidence(STACKS[0], b"other content")))
    assert catalog.refetches.size_today(Refetch.ASKED) == len(b"other content")
    assert catalog.refetches.size_today(Refetch.MARKS) == 0
    clock.advance(days=1)
    assert catalog.refetches.size_today(Refetch.ASKED) == 0


def test_what_was_to_be_compared_and_is_deleted_is_fetched_when_it_returns(
    catalog: Catalog,
) -> None:
    """There is nothing left to compare: it is wanted like any other, and not forgotten."""
    poll(catalog, STACKS)
    publish(catalog, STACKS[0], b"content")
    catalog.refetches.ask(ALL, confirmed_for=timedelta(0))
    poll(catalog, STACKS[1:], withdrawn=STACKS[:1])
    (held,) = catalog.set_aside.candidates("", 1)
    catalog.set_aside.begin(held, None)
    catalog.set_aside.finish(FileSetAside(STACKS[0], held.path, None, held.size, held.sha256))
    poll(catalog, STACKS)
    (gone,) = catalog.set_aside.returned()
    catalog.set_aside.want(gone)
    found = catalog.queue.candidates(ALL, FETCH_ORDER, 10)
    assert {each.product for each in found} == set(STACKS)
