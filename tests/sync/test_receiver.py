"""What becomes of an archive while it arrives: real zips into a real tree, past the real gate."""

from __future__ import annotations

import errno
import gzip
import os
import re
import struct
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.disks import mounted
from support.makers import (
    NIGHT,
    batch,
    candidate,
    evidence,
    fits,
    path_of,
    product,
    sha256,
    zipped,
)

from winter_sync.core.downloads import Failed, Missing, Published, Unchanged
from winter_sync.core.errors import Cause, DamagedError, StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.formats.zip_output import Limits
from winter_sync.sync.receiver import Receiver, budget, contradicts, largest
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core.downloads import Candidate, Outcome
    from winter_sync.core.products import Product
    from winter_sync.tree.publishing import Session

STYLES = [(descriptors, deflate) for descriptors in (False, True) for deflate in (False, True)]
FIRST, SECOND, THIRD = product(0), product(1), product(2)
ONE, TWO, THREE = fits(1), fits(2), fits(3)
packed = partial(gzip.compress, mtime=0)
ENDS = 22
"""Bytes of the record that ends a zip."""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a prepared tree."""
    tree = Tree(tmp_path / "winter", free_space=lambda _: 1_000_000_000)
    tree.prepare("mirror")
    return tree


@pytest.fixture
def session(tree: Tree) -> Iterator[Session]:
    """Return a session of work in the tree; everything it set aside is given back at its end."""
    before = tree.space.free()
    with tree.session("session") as session:
        yield session
    assert tree.space.free() == before
    assert not list((tree.own_directory / "staging").rglob("*.part"))


@contextmanager
def intake(
    session: Session, *candidates: Candidate, keep: bool = True, limits: Limits | None = None
) -> Iterator[Receiver]:
    """Return the receiver of a batch."""
    with Receiver(batch(*candidates), session, keep=keep, limits=limits or Limits()) as intake:
        yield intake


def take(session: Session, archive: bytes, *candidates: Candidate, keep: bool = True) -> Outcome:
    """Take a whole archive and give what became of the first candidate."""
    with intake(session, *candidates, keep=keep) as taking:
        taking.feed(archive)
        taking.finish()
        return taking.remainder(None)[0]


def published(tree: Tree) -> dict[str, bytes]:
    """Return the content of every file in the tree that is not ours."""
    return {
        str(path.relative_to(tree.root)): path.read_bytes()
        for path in tree.root.rglob("*")
        if path.is_file() and STATE_DIR not in path.parts
    }


def revisions(tree: Tree) -> list[bytes]:
    """Return the contents of all older revisions."""
    kept = sorted((tree.own_directory / "revisions").rglob("*"))
    return [path.read_bytes() for path in kept if path.is_file()]


# --- what arrives whole --------------------------------------------------------------------------


@pytest.mark.parametrize(("descriptors", "deflate"), STYLES)
@pytest.mark.parametrize("step", [1, 1000, 10**9])
def test_whole_members_are_published(
    tree: Tree, session: Session, step: int, *, descriptors: bool, deflate: bool
) -> None:
    """However a zip is written and however it is cut into blocks, its products are in the tree."""
    products = [FIRST, SECOND, product(0, ImageType.AVRO)]
    contents = [ONE, fits(2, blocks=4), AVRO]
    members = [(entry.filename, content) for entry, content in zip(products, contents, strict=True)]
    archive = zipped(members, descriptors=descriptors, deflate=deflate)
    with intake(session, *map(candidate, products)) as taking:
        for at in range(0, len(archive), step):
            taking.feed(archive[at : at + step])
        taking.finish()
        outcomes = taking.remainder(None)
    assert outcomes == tuple(
        Published(candidate(entry), evidence(entry, content))
        for entry, content in zip(products, contents, strict=True)
    )
    assert published(tree) == dict(zip(map(path_of, products), contents, strict=True))


AVRO = b'Obj\x01\x02\x16avro.schema\x0c"long"\x00' + b"s" * 16 + b"\x02\x02\x02" + b"s" * 16
"""One block with one record, a long: what the gate takes for a whole Avro file."""


def test_a_member_is_published_the_moment_it_ends(tree: Tree, session: Session) -> None:
    """With the last byte of a member its product is in the tree, whatever comes behind it."""
    archive = zipped([(FIRST.filename, ONE), (SECOND.filename, TWO)])
    told: list[Outcome] = []
    asked = batch(candidate(FIRST), candidate(SECOND))
    with Receiver(asked, session, keep=True, on_outcome=told.append) as taking:
        end = archive.index(ONE) + len(ONE)
        taking.feed(archive[: end - 1])
        assert (published(tree), told) == ({}, [])
        taking.feed(archive[end - 1 : end + 4])
        assert published(tree) == {path_of(FIRST): ONE}
        assert told == [Published(candidate(FIRST), evidence(FIRST, ONE))]
        assert taking.outcomes == tuple(told)


def test_evidence_is_journalled_under_the_batch(tree: Tree, session: Session) -> None:
    """What a batch published can be proved until it is committed."""
    take(session, zipped([(FIRST.filename, ONE)]), candidate(FIRST))
    assert session.recover_evidence("batch") == [evidence(FIRST, ONE)]
    session.forget_journal("batch")
    assert tree.recover_evidence("session") == []


def test_marks_are_those_of_the_candidate(session: Session) -> None:
    """The evidence holds the marks under which the product was asked for."""
    asked = replace(candidate(FIRST), marks=replace(candidate(FIRST).marks, pipeversion="7"))
    outcome = take(session, zipped([(FIRST.filename, ONE)]), asked)
    assert isinstance(outcome, Published)
    assert outcome.evidence.marks.pipeversion == "7"


def test_each_outcome_is_reported_once(session: Session) -> None:
    """However often the rest is; a product that arrived damaged is, once it cannot arrive again."""
    reported: list[Outcome] = []
    archive = zipped([(FIRST.filename, b"junk"), (SECOND.filename, TWO)])
    asked = batch(candidate(FIRST), candidate(SECOND), candidate(THIRD))
    with Receiver(asked, session, keep=True, on_outcome=reported.append) as taking:
        taking.feed(archive)
        assert [outcome.candidate.product for outcome in reported] == [SECOND]
        taking.emit_rest()
        assert [outcome.candidate.product for outcome in reported] == [SECOND, FIRST]
        outcomes = taking.remainder(None)
        taking.emit_rest()
    assert reported[2:] == [Missing(candidate(THIRD))]
    assert sorted(reported, key=repr) == sorted(outcomes, key=repr)


def test_what_arrived_damaged_or_was_refused_is_to_blame(session: Session) -> None:
    """Each for a reason and a cause of its own; only what arrived complete is refused."""
    archive = bytearray(zipped([(FIRST.filename, ONE), (SECOND.filename, b"junk")]))
    archive[archive.index(ONE) + 99] ^= 1
    with intake(session, candidate(FIRST), candidate(SECOND)) as taking:
        taking.feed(bytes(archive))
        damaged, refused = taking.outcomes
    assert isinstance(damaged, Failed)
    assert isinstance(refused, Failed)
    assert damaged.reason.startswith("it arrived damaged: CRC-32 is ")
    assert refused.reason.startswith(f"{SECOND.filename}: ")
    assert damaged == Failed(candidate(FIRST), damaged.reason, blamed=True, cause=Cause.DAMAGED)
    assert refused == Failed(
        candidate(SECOND), refused.reason, blamed=True, cause=Cause.DAMAGED, refused=True
    )


def test_no_part_of_a_secret_is_quoted(session: Session) -> None:
    """It is taken out of what a file says before that is shortened."""
    content = b"x" * 52 + b"swordfish" * 2
    asked = batch(candidate(FIRST))
    redact = partial(re.sub, "swordfish", "[secret]")
    with Receiver(asked, session, keep=True, redact=redact) as taking:
        taking.feed(zipped([(FIRST.filename, content)]))
        (outcome,) = taking.outcomes
    assert isinstance(outcome, Failed)
    assert "xx[secr" in outcome.reason
    assert "sword" not in outcome.reason


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder",
    [
        *("", "WINTER_images_stack/", "raw/", "/", "./", "../", "..\\", "C:\\", "a/../../../"),
        *("tmp/tmpx3a9/", "/data/loki/data/winter/20240130/final/", "data\\20240130\\final\\"),
    ],
)
def test_a_name_is_never_a_path(tree: Tree, session: Session, folder: str) -> None:
    """Whatever stands before a member's basename, its product goes where the layout says."""
    outcome = take(session, zipped([(f"{folder}{FIRST.filename}", ONE)]), candidate(FIRST))
    assert isinstance(outcome, Published)
    assert published(tree) == {path_of(FIRST): ONE}
    assert [path.name for path in tree.root.parent.iterdir()] == ["winter"]


@pytest.mark.parametrize(
    "name",
    [
        *("other.fits", "/", "..", f"{FIRST.filename}/", f"{FIRST.filename}\\"),
        *(f"x{FIRST.filename}", FIRST.filename.upper(), f"{FIRST.filename}\n"),
        *(f"winter/20240129/final/{FIRST.filename}", f"winter\\diffs\\{FIRST.filename}"),
    ],
)
def test_what_was_not_asked_for_never_touches_the_disk(
    tree: Tree, session: Session, name: str
) -> None:
    """A member of another name, a directory, or another night's or kind's file is passed over."""
    archive = zipped([(name, TWO), (SECOND.filename, TWO)])
    with intake(session, candidate(FIRST), candidate(SECOND)) as taking:
        at = archive.index(TWO) + len(TWO)
        taking.feed(archive[:at])
        assert not list((tree.own_directory / "staging").rglob("*.part"))
        taking.feed(archive[at:])
        taking.finish()
        missing, other = sorted(taking.remainder(None), key=lambda one: type(one).__name__)
    assert (missing, other) == (
        Missing(candidate(FIRST)),
        Published(candidate(SECOND), evidence(SECOND, TWO)),
    )
    assert published(tree) == {path_of(SECOND): TWO}


@pytest.mark.parametrize(
    ("folders", "contradiction"),
    [
        ([], False),
        (["diffs"], False),
        (["winter", "20240130", "final"], False),
        (["data", "final"], False),
        (["home", "user"], False),
        (["winter", "diffs"], True),
        (["20240129", "final"], True),
        (["20240130", "raw", "final"], True),
        (["2024013", "202401300"], False),
        (["٢٠٢٤٠١٢٩", "final"], False),
    ],
    ids=str,
)
def test_only_a_night_or_a_kind_contradicts(folders: list[str], *, contradiction: bool) -> None:
    """Folders that mean nothing to us say nothing; another night or kind means another product."""
    assert contradicts(folders, FIRST) == contradiction


def test_a_product_that_comes_twice_comes_once(tree: Tree, session: Session) -> None:
    """Of two whole members of one name the first is the product, and the second is passed over."""
    archive = zipped([(FIRST.filename, ONE), (f"again/{FIRST.filename}", TWO)])
    with intake(session, candidate(FIRST)) as taking:
        taking.feed(archive)
        assert taking.outcomes == (Published(candidate(FIRST), evidence(FIRST, ONE)),)
    assert published(tree) == {path_of(FIRST): ONE}
    assert revisions(tree) == []


def test_a_damaged_product_may_come_again_whole(tree: Tree, session: Session) -> None:
    """The first whole member wins, also where a damaged one of its name came before."""
    archive = zipped([(FIRST.filename, b"not FITS"), (FIRST.filename, ONE)])
    told: list[Outcome] = []
    with Receiver(batch(candidate(FIRST)), session, keep=True, on_outcome=told.append) as taking:
        taking.feed(archive)
        assert [type(outcome) for outcome in told] == [Published], "each product is reported once"
        assert taking.remainder(None) == (Published(candidate(FIRST), evidence(FIRST, ONE)),)
    assert published(tree) == {path_of(FIRST): ONE}


@pytest.mark.parametrize("damaged", range(6))
def test_a_product_may_come_damaged_a_few_times(tree: Tree, session: Session, damaged: int) -> None:
    """The third damaged member of a name is its last: what comes then is passed over."""
    members = [(FIRST.filename, b"not FITS")] * damaged + [(FIRST.filename, ONE)]
    outcome = take(session, zipped(members), candidate(FIRST))
    assert isinstance(outcome, Published if damaged < 3 else Failed)
    assert bool(published(tree)) == (damaged < 3)


# --- what an archive may ask of us ---------------------------------------------------------------


def test_members_are_bounded_by_what_was_asked_for(tree: Tree, session: Session) -> None:
    """Thousands of members end the archive; each product is reported once, the whole one stays."""
    members = [(SECOND.filename, TWO), *[(FIRST.filename, b"")] * 5000]
    told: list[Outcome] = []
    asked = batch(candidate(FIRST), candidate(SECOND))
    with Receiver(asked, session, keep=True, on_outcome=told.append) as taking:
        with pytest.raises(DamagedError, match="more than 38 members"):
            taking.feed(zipped(members))
        assert told == [Published(candidate(SECOND), evidence(SECOND, TWO))]
        outcomes = taking.remainder("the archive was given up")
        assert [type(outcome) for outcome in told] == [Published, Failed]
    assert set(outcomes) == set(told)
    assert published(tree) == {path_of(SECOND): TWO}


def written_to(session: Session, archive: bytes, *candidates: Candidate) -> tuple[int, str]:
    """Return how many bytes an archive had written to the disk, and why it was abandoned."""
    before = written_by_us()
    told = ""
    with intake(session, *candidates) as taking:
        for at in range(0, len(archive), 100_000):
            try:
                taking.feed(archive[at : at + 100_000])
            except DamagedError as damaged:
                told = str(damaged)
                break
        outcomes = taking.remainder("the archive was given up")
    told = told or next((outcome.reason for outcome in outcomes if isinstance(outcome, Failed)), "")
    return written_by_us() - before, told


def written_by_us() -> int:
    """Return how many bytes this process has written so far, to any file."""
    counters = Path("/proc/self/io").read_text().split()
    return int(counters[counters.index("wchar:") + 1])


def test_a_lying_member_is_inflated_as_far_as_it_promises(session: Session) -> None:
    """What comes out beyond the size in its header is neither awaited nor written."""
    true = zipped([(FIRST.filename, bytes(60_000_000))], deflate=True)
    lying = true.replace(struct.pack("<I", 60_000_000), struct.pack("<I", 50_000))
    written, told = written_to(session, lying, candidate(FIRST))
    assert "more than the 50000 bytes that were promised" in told
    assert written < 100_000


def test_a_member_that_promises_nothing_is_bounded_by_what_is_expected(session: Session) -> None:
    """A bomb whose size would follow it is given up far above what its product can have."""
    archive = zipped([(FIRST.filename, bytes(400_000_000))], deflate=True, descriptors=True)
    written, told = written_to(session, archive, candidate(FIRST))
    assert "more than 268435456 bytes" in told
    assert written <= 268_500_000


def test_all_members_together_are_bounded_by_what_is_expected(session: Session) -> None:
    """Members each within their bounds are given up where they come to too much together."""
    products = [product(number) for number in range(8)]
    members = [(entry.filename, bytes(80_000_000)) for entry in products]
    written, told = written_to(session, zipped(members, deflate=True), *map(candidate, products))
    assert "bytes come out of it" in told
    assert written <= 4 * 8 * 5760 + 268_500_000


@given(
    expected=st.lists(st.integers(1, 60_000_000), min_size=1, max_size=32),
    times=st.floats(0, 4),
)
def test_what_was_asked_for_always_fits(expected: list[int], times: float) -> None:
    """Products up to four times as large as expected, are within every bound."""
    candidates = [candidate(product(number), size=size) for number, size in enumerate(expected)]
    found = budget(batch(*candidates), Limits())
    sizes = [int(size * times) for size in expected]
    assert sum(sizes) <= found.inflated_size
    assert sum(sizes) * 1.001 + 2000 * len(sizes) <= found.archive_size
    assert 3 * len(sizes) <= found.members <= 3 * len(sizes) + 40
    assert max(map(largest, candidates)) <= found.inflated_size
    assert all(size <= largest(queued) for size, queued in zip(sizes, candidates, strict=True))


def test_bounds_follow_from_what_was_asked_for() -> None:
    """One product has sixteen times its expected size, or 256 MiB; all have four times and one."""
    small, large = candidate(FIRST, size=1000), candidate(SECOND, size=100_000_000)
    assert (largest(small), largest(large)) == (256 * 1024**2, 1_600_000_000)
    together = 4 * 100_001_000 + 1_600_000_000
    assert budget(batch(small, large), Limits()) == Limits(
        inflated_size=together, archive_size=together + 64 * 1024**2, members=2 * 3 + 32
    )


def test_no_bound_is_wider_than_it_is_for_any_archive() -> None:
    """What was set for all archives holds for each."""
    limits = Limits(member_size=10, archive_size=20, inflated_size=30, members=2)
    assert budget(batch(candidate(FIRST)), limits) == limits


@given(st.lists(st.text(max_size=20), max_size=4), st.booleans())
def test_folders_never_trip_it(folders: list[str], known: bool) -> None:  # noqa: FBT001 - hypothesis
    """Any folders at all can be judged; those of the savepath itself never contradict."""
    own = FIRST.savepath.split("/")[:-1]
    assert contradicts([*folders, *own] if known else own, FIRST) in (True, False)
    assert not contradicts(own, FIRST)


# --- damage --------------------------------------------------------------------------------------


def flipped(archive: bytes, content: bytes) -> bytes:
    """Flip one bit in the middle of a stored member."""
    at = archive.index(content) + len(content) // 2
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


@pytest.mark.parametrize("descriptors", [False, True])
def test_a_damaged_member_costs_only_itself(
    tree: Tree, session: Session, *, descriptors: bool
) -> None:
    """A member whose CRC-32 is wrong has failed by its own fault; all others are published."""
    members = [(FIRST.filename, ONE), (SECOND.filename, TWO), (THIRD.filename, THREE)]
    archive = flipped(zipped(members, descriptors=descriptors), TWO)
    with intake(session, *map(candidate, (FIRST, SECOND, THIRD))) as taking:
        taking.feed(archive)
        taking.finish()
        first, second, third = taking.remainder(None)
    assert isinstance(first, Published)
    assert isinstance(second, Failed)
    assert second.blamed
    assert "it arrived damaged: CRC-32" in second.reason
    assert isinstance(third, Published)
    assert published(tree) == {path_of(FIRST): ONE, path_of(THIRD): THREE}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing at all"),
        (b"<html><body>Internal Server Error</body></html>", "HTML"),
        (ONE[:-1], "short"),
        (bytes(5760), "never filled"),
    ],
    ids=["empty", "error page", "short", "zeros"],
)
def test_what_the_gate_refuses_is_not_published(
    tree: Tree, session: Session, content: bytes, reason: str
) -> None:
    """A member that arrived whole but is not a whole product has failed by its own fault."""
    archive = zipped([(FIRST.filename, content), (SECOND.filename, TWO)])
    with intake(session, candidate(FIRST), candidate(SECOND)) as taking:
        taking.feed(archive)
        first, second = taking.remainder(None)
    assert isinstance(first, Failed)
    assert first.blamed
    assert first.refused
    assert first.sha256 is None
    assert reason in first.reason
    assert isinstance(second, Published)
    assert published(tree) == {path_of(SECOND): TWO}


def test_a_member_beyond_all_bounds_is_given_up(tree: Tree, session: Session) -> None:
    """A member larger than any product is not inflated to its end, nor left on the disk."""
    archive = zipped([(FIRST.filename, bytes(1_000_000)), (SECOND.filename, TWO)], deflate=True)
    limits = Limits(member_size=10_000)
    with intake(session, candidate(FIRST), candidate(SECOND), limits=limits) as taking:
        taking.feed(archive)
        first, second = taking.remainder(None)
    assert isinstance(first, Failed)
    assert "claims 1000000 bytes, where at most 10000 are taken" in first.reason
    assert isinstance(second, Published)
    assert published(tree) == {path_of(SECOND): TWO}


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_cut_archive_keeps_what_was_whole(tree: Tree, session: Session, kept: float) -> None:
    """Of an archive that ends early the whole members are published, and it is said to be cut."""
    members = [(entry.filename, ONE) for entry in (FIRST, SECOND, THIRD)]
    archive = zipped(members)
    with intake(session, *map(candidate, (FIRST, SECOND, THIRD))) as taking:
        taking.feed(archive[: int(len(archive) * kept)])
        with pytest.raises(DamagedError, match="ended early"):
            taking.finish()
        whole = len(taking.outcomes)
        outcomes = taking.remainder("it was cut")
    assert whole == len(published(tree)) == int(3 * kept)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [(outcome.reason, outcome.blamed) for outcome in failed] == [("it was cut", False)] * (
        3 - whole
    )
    assert len(outcomes) == 3


def test_an_archive_is_complete_with_its_very_last_record(session: Session) -> None:
    """A zip of which only the end is missing is a cut one, though every member came."""
    archive = zipped([(FIRST.filename, ONE)])
    with intake(session, candidate(FIRST)) as taking:
        taking.feed(archive[: len(archive) - ENDS])
        with pytest.raises(DamagedError, match="1 members"):
            taking.finish()
        taking.feed(archive[-ENDS:])
        taking.finish()


def test_something_else_than_a_zip_is_reported(tree: Tree, session: Session) -> None:
    """An answer that is no zip at all is damage, and every product has failed without blame."""
    with intake(session, candidate(FIRST)) as taking:
        with pytest.raises(DamagedError):
            taking.feed(b"<html>busy</html>" * 10)
        (outcome,) = taking.remainder("it was no zip", Cause.BAD_ANSWER)
    assert outcome == Failed(candidate(FIRST), "it was no zip", cause=Cause.BAD_ANSWER)
    assert published(tree) == {}


def test_an_empty_answer_is_reported(session: Session) -> None:
    """An answer without a byte is an archive that ended early."""
    with intake(session, candidate(FIRST)) as taking, pytest.raises(DamagedError, match="0 bytes"):
        taking.finish()


def test_what_a_whole_archive_does_not_have_is_missing(session: Session) -> None:
    """The rest of a whole archive is missing on the server; with a reason it has failed instead."""
    archive = zipped([(FIRST.filename, ONE)])
    assert take(session, zipped([]), candidate(FIRST)) == Missing(candidate(FIRST))
    with intake(session, candidate(FIRST), candidate(SECOND), candidate(THIRD)) as taking:
        taking.feed(archive)
        taking.finish()
        outcomes = taking.remainder("the server left it out")
        assert [type(outcome) for outcome in outcomes] == [Published, Failed, Failed]
        assert taking.remainder(None) == outcomes


# --- what is there already -----------------------------------------------------------------------


def put(tree: Tree, one: Product, content: bytes) -> Path:
    """Put a file where a product belongs, as a person or an earlier run did."""
    path = tree.root / path_of(one)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("known", [True, False], ids=["published", "a person's"])
def test_the_same_content_is_not_published_again(
    tree: Tree, session: Session, *, known: bool
) -> None:
    """What is in the tree byte for byte, by whoever's hand, is left as it is and proved."""
    path = put(tree, FIRST, ONE)
    before = path.stat()
    asked = candidate(FIRST, published=ONE if known else None)
    assert take(session, zipped([(FIRST.filename, ONE)]), asked) == Unchanged(
        asked, evidence(FIRST, ONE)
    )
    assert path.stat().st_ino == before.st_ino
    assert revisions(tree) == []
    assert session.recover_evidence("batch") == []


@pytest.mark.parametrize("there", [None, ONE[:-1], b"X" + ONE[1:]], ids=["gone", "cut", "altered"])
def test_a_damaged_copy_is_replaced(tree: Tree, session: Session, there: bytes | None) -> None:
    """Where the file is gone or no longer what was published, the same content is put there."""
    if there is not None:
        put(tree, FIRST, there)
    outcome = take(session, zipped([(FIRST.filename, ONE)]), candidate(FIRST, published=ONE))
    assert isinstance(outcome, Published)
    assert published(tree) == {path_of(FIRST): ONE}
    assert revisions(tree) == ([there] if there is not None else [])


def test_an_older_revision_is_kept(tree: Tree, session: Session) -> None:
    """Of a product whose content changed the older one is kept, and the outcome says where."""
    put(tree, FIRST, ONE)
    outcome = take(session, zipped([(FIRST.filename, TWO)]), candidate(FIRST, published=ONE))
    assert isinstance(outcome, Published)
    assert (tree.root / str(outcome.evidence.kept)).read_bytes() == ONE
    assert published(tree) == {path_of(FIRST): TWO}


def test_an_older_revision_is_replaced_where_so_wished(tree: Tree, session: Session) -> None:
    """With `on_change = "replace"` the older revision gives way."""
    put(tree, FIRST, ONE)
    asked = candidate(FIRST, published=ONE)
    outcome = take(session, zipped([(FIRST.filename, TWO)]), asked, keep=False)
    assert isinstance(outcome, Published)
    assert outcome.evidence.kept is None
    assert published(tree) == {path_of(FIRST): TWO}
    assert revisions(tree) == []


@pytest.mark.parametrize("before", [None, ONE], ids=["never published", "edited since"])
def test_a_person_s_own_file_is_kept_whatever_is_wished(
    tree: Tree, session: Session, before: bytes | None
) -> None:
    """A file that is not what we published there outlives the product, also when replacing."""
    put(tree, FIRST, b"a person's own work")
    asked = candidate(FIRST, published=before)
    assert isinstance(take(session, zipped([(FIRST.filename, TWO)]), asked, keep=False), Published)
    assert published(tree) == {path_of(FIRST): TWO}
    assert revisions(tree) == [b"a person's own work"]


# --- cards that may be wrong ---------------------------------------------------------------------

STALE = fits(1, cards=["DATASUM = '12345   '"])
UNFILLED = fits(1, fill=False)
PACKED = replace(FIRST, savepath=f"{FIRST.savepath}.gz")
EXPOSURE = product(0, ImageType.EXPOSURE)


@pytest.mark.parametrize(
    ("one", "content", "reason"),
    [
        (FIRST, STALE, "DATASUM"),
        (EXPOSURE, fits(1, extensions=5), "5 extensions where 6 should be"),
        (EXPOSURE, fits(1, extensions=3) + b"junk", "4 bytes follow HDU 3"),
        (FIRST, ONE + bytes(50_000), "50000 zeros follow HDU 0"),
        (FIRST, ONE + b"junk", "4 bytes follow HDU 0"),
        (PACKED, packed(STALE), "DATASUM"),
        (PACKED, packed(ONE) + b"junk", "4 bytes follow the gzip data"),
        (product(0, ImageType.AVRO), AVRO + bytes(9), "9 zeros follow the last block"),
    ],
    ids=[
        *("checksum", "extensions", "extensions and junk", "zeros", "junk"),
        *("checksum in gzip", "junk after gzip", "zeros after Avro"),
    ],
)
def test_what_is_odd_but_not_cut_is_refused_until_it_comes_again(
    tree: Tree, session: Session, one: Product, content: bytes, reason: str
) -> None:
    """A file whose data are whole is refused once, and its digest is reported with the refusal."""
    archive = zipped([(one.filename, content)])
    outcome = take(session, archive, candidate(one), candidate(SECOND))
    assert isinstance(outcome, Failed)
    assert outcome.blamed
    assert reason in outcome.reason
    assert outcome.sha256 == sha256(content)
    assert published(tree) == {}
    again = candidate(one, refused=content)
    outcome = take(session, archive, again)
    assert isinstance(outcome, Published)
    assert outcome.note is not None
    assert reason in outcome.note
    assert published(tree) == {path_of(one): content}


def test_another_content_that_disagrees_is_refused(tree: Tree, session: Session) -> None:
    """Only the very same content is taken; one that changed is still being written."""
    asked = candidate(FIRST, refused=fits(2, cards=["DATASUM = '12345   '"]))
    outcome = take(session, zipped([(FIRST.filename, STALE)]), asked)
    assert isinstance(outcome, Failed)
    assert published(tree) == {}


@pytest.mark.parametrize(
    ("one", "cut"),
    [
        (FIRST, ONE[:-1]),
        (FIRST, STALE[:-1]),
        (FIRST, ONE[:100]),
        (EXPOSURE, fits(1, extensions=6)[:-1]),
        (EXPOSURE, fits(1, extensions=5) + b"XTENSION= 'IMAGE"),
        (PACKED, packed(ONE)[:-1]),
        (PACKED, packed(ONE[:-1])),
        (PACKED, ONE),
        (product(0, ImageType.AVRO), AVRO[:-1]),
        (FIRST, b"<html>"),
        (FIRST, bytes(9000)),
    ],
    ids=[
        *("data", "data and a wrong sum", "header", "last board", "header of a board", "gzip"),
        *("inside gzip", "not gzip", "Avro", "page", "zeros"),
    ],
)
def test_no_repetition_makes_a_cut_file_whole(
    tree: Tree, session: Session, one: Product, cut: bytes
) -> None:
    """What cannot be the whole product is refused however often it comes."""
    outcome = take(session, zipped([(one.filename, cut)]), candidate(one, refused=cut))
    assert isinstance(outcome, Failed)
    assert outcome.refused
    assert outcome.sha256 is None
    assert published(tree) == {}


@pytest.mark.parametrize(
    ("one", "content", "note"),
    [
        (FIRST, UNFILLED, "bytes short"),
        (FIRST, ONE + bytes(2880), "2880 zeros follow HDU 0, the last"),
        (PACKED, packed(ONE), None),
        (PACKED, packed(ONE) + bytes(100), "100 zeros follow the gzip data"),
        (EXPOSURE, fits(1, extensions=7), "7 extensions where 6 are usual"),
        (
            EXPOSURE,
            fits(1, extensions=7) + bytes(2880),
            "zeros follow HDU 7, the last; 7 extensions",
        ),
        (FIRST, ONE, None),
    ],
    ids=["no fill", "zeros", "gzip", "zeros after gzip", "more boards", "two notes", "nothing"],
)
def test_what_is_harmless_is_taken_at_once_with_a_note(
    tree: Tree, session: Session, one: Product, content: bytes, note: str | None
) -> None:
    """Files of which nothing can be missing are published as they are, the first time they come."""
    outcome = take(session, zipped([(one.filename, content)]), candidate(one))
    assert isinstance(outcome, Published)
    assert (outcome.note is None) == (note is None)
    assert (note or "") in (outcome.note or "")
    assert published(tree) == {path_of(one): content}


def test_what_was_accepted_once_stays_accepted(tree: Tree, session: Session) -> None:
    """A content with a stale card that is in the tree is not refused when it comes again."""
    put(tree, FIRST, STALE)
    asked = candidate(FIRST, published=STALE)
    assert isinstance(take(session, zipped([(FIRST.filename, STALE)]), asked), Unchanged)


@pytest.mark.parametrize(
    ("one", "extensions"),
    [
        (EXPOSURE, 6),
        (product(0, ImageType.EXPOSURE, instrument=Instrument.SPRING), 1),
        (product(0, ImageType.RAW), 1),
        (FIRST, 0),
    ],
    ids=["exposure", "SPRING", "raw", "stack"],
)
def test_only_a_winter_exposure_must_have_six_boards(
    tree: Tree, session: Session, one: Product, extensions: int
) -> None:
    """Other kinds and the other camera may have as many extensions as they have."""
    content = fits(1, extensions=extensions)
    assert isinstance(take(session, zipped([(one.filename, content)]), candidate(one)), Published)
    assert published(tree) == {path_of(one): content}


# --- the disk ------------------------------------------------------------------------------------


def test_what_a_batch_expects_is_set_aside_and_given_back(tree: Tree, session: Session) -> None:
    """The space of a batch is reserved as long as it lasts, and used up by what arrives."""
    before = tree.space.free()
    with intake(session, candidate(FIRST, size=50_000), candidate(SECOND, size=20_000)) as taking:
        assert tree.space.free() == before - 70_000
        taking.feed(zipped([(FIRST.filename, ONE)]))
        assert tree.space.free() == before - 70_000 + len(ONE)
    assert tree.space.free() == before
    with pytest.raises(ZeroDivisionError), intake(session, candidate(FIRST)) as taking:
        taking.feed(zipped([(FIRST.filename, ONE)])[: 1 // len(taking.outcomes)])
    assert tree.space.free() == before


def test_a_batch_for_which_there_is_no_room_does_not_begin(tree: Tree, session: Session) -> None:
    """When less is free than the products are expected to have, nothing is staged at all."""
    before = tree.space.free()
    with pytest.raises(StorageError, match="not enough space"):
        Receiver(batch(candidate(FIRST, size=before + 1)), session, keep=True)
    assert tree.space.free() == before


def test_products_larger_than_expected_stop_at_the_reserve(tmp_path: Path) -> None:
    """A product that would eat into the space that must stay free is given up half-way."""
    tree = Tree(tmp_path / "winter", min_free=1000, free_space=lambda _: 21_000)
    tree.prepare("mirror")
    archive = zipped([(FIRST.filename, fits(1, blocks=100))])
    with tree.session("session") as session:
        with (
            pytest.raises(StorageError, match="not enough space"),
            intake(session, candidate(FIRST, size=10)) as taking,
        ):
            taking.feed(archive)
        assert not list((tree.own_directory / "staging").rglob("*.part"))
    assert (published(tree), tree.space.free()) == ({}, 20_000)


def test_a_disk_that_is_full_ends_the_batch(tmp_path: Path) -> None:
    """A real full disk in the middle of a member loses that member only; its part is removed."""
    with mounted("tmpfs", tmp_path) as disk:
        tree = Tree(disk / "winter", free_space=lambda _: 10_000_000)
        tree.prepare("mirror")
        members = [(FIRST.filename, ONE), (SECOND.filename, fits(2, blocks=500))]
        with tree.session("session") as session:
            with intake(session, candidate(FIRST), candidate(SECOND)) as taking:
                with pytest.raises(StorageError, match="No space left"):
                    taking.feed(zipped(members))
                assert taking.outcomes == (Published(candidate(FIRST), evidence(FIRST, ONE)),)
            assert not list((tree.own_directory / "staging").rglob("*.part"))
            session.forget_journal("batch")
        assert published(tree) == {path_of(FIRST): ONE}
        assert tree.space.free() == 10_000_000


@pytest.mark.parametrize("call", ["fsync", "rename", "pread", "unlink"])
def test_a_disk_that_fails_is_a_matter_of_storage(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever the disk refuses, the error is about storage and the reserve is given back."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = tree.space.free()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with (
            pytest.raises(StorageError, match="Input/output error") as failed,
            intake(session, candidate(FIRST)) as taking,
        ):
            # Only what is not published is removed.
            taking.feed(zipped([(FIRST.filename, b"junk" if call == "unlink" else ONE)]))
    assert failed.value.remedy
    assert failed.value.message.startswith(str(tree.root))
    assert tree.space.free() == before
    session.forget_journal("batch")


def test_an_unfinished_part_is_discarded(tree: Tree, session: Session) -> None:
    """Leaving in the middle of a member leaves nothing of it, and no file open."""
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    archive = zipped([(FIRST.filename, ONE)])
    with intake(session, candidate(FIRST)) as taking:
        taking.feed(archive[: len(archive) // 2])
        assert list((tree.own_directory / "staging").rglob("*.part"))
    assert not list((tree.own_directory / "staging").rglob("*.part"))
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_nights_beside_each_other(tree: Tree, session: Session) -> None:
    """One batch may hold products of several nights; each goes to its own."""
    products = [product(0, night=NIGHT.plus(days)) for days in range(3)]
    archive = zipped([(entry.filename, ONE) for entry in products])
    take(session, archive, *map(candidate, products))
    assert published(tree) == {path_of(entry): ONE for entry in products}
