"""What the catalog promises, on real SQLite files and with real processes beside it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.disks import fill, mounted
from support.makers import NIGHT, PROGRAM, candidate, evidence, path_of, product, row, sha256

from winter_sync.catalog import polls, queue
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import NightCount, Poll, Scope, Trouble
from winter_sync.catalog.schema import migrations
from winter_sync.catalog.sqlite import Database
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core.downloads import Failed, Missing, Outcome, Published, Unchanged
from winter_sync.core.errors import StorageError
from winter_sync.core.events import Share
from winter_sync.core.marks import Marks
from winter_sync.core.products import KnownProduct, State
from winter_sync.core.queries import Cone, Query, Region, Subject, Target
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from support.clock import Clock

    from winter_sync.core.downloads import Candidate
    from winter_sync.core.products import Product, Row

SUPPORT = Path(__file__).parent.parent / "support"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}:{SUPPORT.parent}"}
OTHER = "2024B000"
TODAY = date(2024, 3, 1)
ALL = Scope((PROGRAM, OTHER))
STACK, DIFF, SPRING = (
    product(0),
    product(0, ImageType.DIFF),
    product(0, instrument=Instrument.SPRING),
)
REPROCESSED = Marks("2024-06-01T00:00:00", "2.0")


def subject(
    program: str = PROGRAM, kind: ImageType = ImageType.STACK, region: Region | None = None
) -> Subject:
    """Return what a poll is about."""
    return Subject(program, Instrument.WINTER, kind, region)


def query(about: Subject | None = None, *, end: date | None = None) -> Query:
    """Return a question."""
    return Query(about or subject(), date(2024, 1, 1), end)


def poll(
    catalog: Catalog,
    products: Iterable[Product] = (),
    *,
    program: str = PROGRAM,
    region: Region | None = None,
    marks: Marks | None = None,
    wanted: Sequence[Row] = (),
    withdrawn: Sequence[Product] = (),
) -> list[Product]:
    """Record a poll that lists these products."""
    asked = query(subject(program, region=region))
    listed = [(row(one, program=program, marks=marks), path_of(one)) for one in products]
    found = Poll(asked, sweep=False, listed=len(listed))
    return catalog.listings.record_poll(found, listed=listed, wanted=wanted, withdrawn=withdrawn)


def candidates(catalog: Catalog, scope: Scope = ALL, limit: int = 100) -> list[Candidate]:
    """Return what may be fetched now."""
    return catalog.queue.candidates(scope, FETCH_ORDER, limit)


def waiting(catalog: Catalog, scope: Scope = ALL) -> list[Product]:
    """Return the products that may be fetched now."""
    return [one.product for one in candidates(catalog, scope)]


def count_wanted(catalog: Catalog, scope: Scope) -> int:
    """Count what is to be fetched, now or later, and by nobody yet."""
    return sum(share.products for share in catalog.queue.wanted(scope))


def commit(catalog: Catalog, *outcomes: Outcome, wait: timedelta = timedelta(0)) -> None:
    """Commit outcomes, all with the same wait before another attempt."""
    catalog.outcomes.commit(outcomes, lambda _attempts, _outcome: wait)


def publish(catalog: Catalog, one: Product, content: bytes, *, kept: str | None = None) -> None:
    """Claim a product that waits, and commit its publication."""
    (taken,) = (each for each in candidates(catalog) if each.product == one)
    catalog.queue.claim([taken], "session")
    commit(catalog, Published(taken, replace(evidence(one, content), kept=kept)))


def rows(catalog: Catalog, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return list(catalog.connection.db.table(table).rows)


def stored(catalog: Catalog, one: Product) -> dict[str, Any]:
    """Return the row of a product."""
    (found,) = (each for each in rows(catalog, "products") if each["savepath"] == one.savepath)
    return found


# --- opening -------------------------------------------------------------------------------------


def test_a_catalog_is_durable_and_shared(catalog: Catalog) -> None:
    """Every commit is synced before it returns, readers do not block writers, keys are checked."""
    pragmas = {
        name: catalog.connection.row(f"PRAGMA {name}") for name in ("synchronous", "journal_mode")
    }
    assert pragmas == {"synchronous": {"synchronous": 2}, "journal_mode": {"journal_mode": "wal"}}
    assert catalog.connection.row("PRAGMA foreign_keys") == {"foreign_keys": 1}


def test_a_catalog_is_opened_again(path: Path, clock: Clock) -> None:
    """What was recorded is there after closing and opening."""
    with closing(Catalog(path, clock)) as catalog:
        assert catalog.mirror_name() is None
        catalog.take_mirror_name("mirror")
        catalog.take_mirror_name("another")
        poll(catalog, [STACK])
    with closing(Catalog(path, clock)) as catalog:
        assert catalog.mirror_name() == "mirror"
        assert waiting(catalog) == [STACK]


def make_first_edition(path: Path, *more: tuple[Product, str]) -> None:
    """Make a catalog as the first edition made it, with a product of each state, and more."""
    with closing(Database(path)) as db:
        migrations.apply(db, stop_before="tell_who_asked_and_index_the_queue")
        times = {"first_listed": "2024-01-31", "last_listed": "2024-01-31"}
        usual = ((STACK, "wanted"), (DIFF, "published"), (product(1), "missing"))
        for one, state in (*usual, *more):
            identity = {"instrument": one.instrument.value, "savepath": one.savepath}
            db.table("products").insert(
                {
                    **identity,
                    "image_type": one.image_type.value,
                    "night": one.night.name,
                    "filename": one.filename,
                    "path": path_of(one),
                    "state": state,
                    **times,
                }
            )
            listing = {"program": PROGRAM, **identity, "region": "", **times}
            db.table("listings").insert(listing)


def test_a_catalog_of_an_earlier_edition_is_brought_up(path: Path, clock: Clock) -> None:
    """A catalog that the first edition made is opened with all it knows, and goes on."""
    make_first_edition(path)
    for _ in range(2):
        with closing(Catalog(path, clock)) as catalog:
            assert waiting(catalog) == [STACK, product(1)]
            assert poll(catalog, [STACK, product(2)]) == []
            assert [one.name for one in migrations.applied(catalog.connection.db)] == [
                "create_tables",
                "tell_who_asked_and_index_the_queue",
                "index_what_is_watched",
                "index_what_is_counted",
                "keep_what_is_looked_at_again",
                "forget_what_cannot_be_checked",
                "record_what_is_verified",
            ]
            poll(catalog, withdrawn=[product(2)])


def test_what_an_earlier_edition_asked_for_in_vain_is_forgotten(path: Path, clock: Clock) -> None:
    """Products whose names are of no format that can be checked leave the queue; others stay."""
    endings = (".jpg", ".fits.md5", "", ".FITS", ".fits.fz", ".Fits.Gz", ".avro")
    others = [
        replace(product(number), savepath=product(number).savepath.removesuffix(".fits") + ending)
        for number, ending in enumerate(endings, start=2)
    ]
    kept = replace(product(9), savepath=f"{product(9).savepath}.txt")
    make_first_edition(path, *((one, "wanted") for one in others), (kept, "published"))
    with closing(Catalog(path, clock)) as catalog:
        assert set(waiting(catalog)) == {STACK, product(1), *others[3:]}
        entered = {
            row["savepath"] for row in catalog.connection.rows("SELECT savepath FROM products")
        }
        listed = {
            row["savepath"] for row in catalog.connection.rows("SELECT savepath FROM listings")
        }
        assert (
            entered
            == listed
            == {one.savepath for one in (STACK, DIFF, product(1), *others[3:], kept)}
        )


def files_of(path: Path) -> dict[str, bytes]:
    """Return everything beside a path, byte for byte."""
    return {one.name: one.read_bytes() for one in path.parent.iterdir()}


def test_a_catalog_of_a_later_edition_is_left_alone(path: Path, clock: Clock) -> None:
    """A catalog that a newer program has changed is refused, and not a byte of it is touched."""
    Catalog(path, clock).close()
    with closing(Database(path)) as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "winter-sync", "name": "fly_to_the_moon", "applied_at": "2030-01-01"}
        )
    before = files_of(path)
    with pytest.raises(StorageError, match="newer winter-sync") as refused:
        Catalog(path, clock)
    assert str(path) in refused.value.message
    assert files_of(path) == before


def test_the_database_of_another_program_is_left_alone(path: Path, clock: Clock) -> None:
    """A database that is no catalog is refused, and not a byte of it is touched."""
    with closing(Database(path)) as db:
        db.table("recipes").insert({"name": "soup"})
    before = files_of(path)
    with pytest.raises(StorageError, match="not a catalog of winter-sync"):
        Catalog(path, clock)
    assert files_of(path) == before


def test_a_file_that_is_no_database_is_left_alone(path: Path, clock: Clock) -> None:
    """Anything else under the catalog's name is refused with what can be done."""
    path.write_bytes(b"not a database at all" * 100)
    before = files_of(path)
    with pytest.raises(StorageError, match="not a database") as refused:
        Catalog(path, clock)
    assert "backup" in refused.value.remedy
    assert files_of(path) == before


def test_a_damaged_catalog_is_told(path: Path, clock: Clock) -> None:
    """A catalog with torn pages gives an error with a remedy, never wrong answers."""
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, [product(number) for number in range(300)])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StorageError, match="malformed") as damaged:
        waiting(Catalog(path, clock))
    assert "backup" in damaged.value.remedy


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, clock: Clock) -> None:
    """Without its directory the catalog is not made, and the error says so."""
    with pytest.raises(StorageError, match="unable to open") as missing:
        Catalog(tmp_path / "gone" / "catalog.sqlite3", clock)
    assert "directory" in missing.value.remedy


def test_a_lock_that_is_held_too_long_is_told(path: Path, clock: Clock) -> None:
    """When another process does not end its transaction, the error says who is to blame."""
    with (
        closing(Catalog(path, clock, patience=0)) as catalog,
        closing(sqlite3.connect(path)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        assert waiting(catalog) == []
        with pytest.raises(StorageError, match="locked") as locked:
            poll(catalog, [STACK])
        assert "Another process" in locked.value.remedy
        other.rollback()
        poll(catalog, [STACK])
        assert waiting(catalog) == [STACK]


def test_a_failed_opening_leaves_no_file_open(path: Path, clock: Clock) -> None:
    """An opening that fails closes what it had opened."""
    path.write_bytes(b"not a database at all" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(StorageError):
            Catalog(path, clock)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


AS_NOBODY = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from winter_sync.catalog.catalog import Catalog
from winter_sync.core import StorageError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Catalog(Path(sys.argv[1]), lambda: datetime.now(UTC)).take_mirror_name("mirror")
except StorageError as refused:
    print(refused, refused.remedy, sep="|")
"""


@pytest.mark.parametrize("exists", [True, False])
def test_a_catalog_one_may_not_write_is_told(clock: Clock, *, exists: bool) -> None:
    """Without write permission the error names the catalog and asks for the permission."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "catalog.sqlite3")
        if exists:
            Catalog(path, clock).close()
            path.chmod(0o444)
        path.parent.chmod(0o555)
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-c", AS_NOBODY, str(path)],
            check=True,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        )
        path.parent.chmod(0o755)
    message, remedy = done.stdout.strip().split("|")
    assert str(path) in message
    assert "permission" in remedy or "may be written" in remedy


def test_a_full_disk_is_told_and_got_over(tmp_path: Path, clock: Clock) -> None:
    """A write that finds the disk full fails whole; with room again the catalog goes on."""
    with mounted("tmpfs", tmp_path) as disk:
        (disk / "state").mkdir()
        with closing(Catalog(disk / "state" / "catalog.sqlite3", clock)) as catalog:
            poll(catalog, [STACK])
            ballast = fill(disk)
            many = [product(number) for number in range(1, 200)]
            with pytest.raises(StorageError, match="full") as full:
                poll(catalog, many)
            assert "Free some space" in full.value.remedy
            assert waiting(catalog) == [STACK]
            ballast.unlink()
            poll(catalog, many[:3])
            assert waiting(catalog) == [STACK, *many[:3]]


# --- processes beside us -------------------------------------------------------------------------


@contextmanager
def processes(path: Path, what: str, names: Sequence[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Run processes that wait for a line before they open the catalog."""
    script = str(SUPPORT / "claimer.py")
    running = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, script, str(path), what, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        for name in names
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def told(running: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Return all of them their line, and what each tells until it ends."""
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate()[0].splitlines() for process in running]


def test_processes_that_open_a_new_catalog_together_share_it(path: Path) -> None:
    """Several processes that make one catalog at the same moment all succeed, bound to one name."""
    names = ["one", "two", "three", "four"]
    with processes(path, "open", names) as running:
        said = told(running)
        assert [process.returncode for process in running] == [0] * len(names)
    assert len({tuple(lines) for lines in said}) == 1
    assert said[0][0] in names


def test_a_product_is_claimed_by_one_process_only(path: Path, clock: Clock) -> None:
    """Of several processes that claim all they can get, no two get the same product."""
    listed = [product(number) for number in range(200)]
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, listed)
        with processes(path, "claim", ["one", "two", "three"]) as running:
            taken = told(running)
        assert sorted(catalog.queue.claimants()) == sorted(
            name for name, some in zip(["one", "two", "three"], taken, strict=True) if some
        )
        assert waiting(catalog) == []
    everything = [savepath for some in taken for savepath in some]
    assert sorted(everything) == sorted(one.savepath for one in listed)


def test_a_commit_outlives_a_kill(path: Path, clock: Clock) -> None:
    """What was committed just before a process was killed is there for the next."""
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, [STACK])
        with processes(path, "record", ["killed"]) as running:
            told(running)
            assert running[0].returncode < 0
        assert stored(catalog, STACK)["state"] == "published"
    with closing(Catalog(path, clock)) as catalog:
        assert waiting(catalog) == []


# --- polls ---------------------------------------------------------------------------------------


def test_a_new_product_is_wanted(catalog: Catalog) -> None:
    """A product that is listed for the first time may be fetched, with all that a fetch needs."""
    assert poll(catalog, [STACK]) == []
    (found,) = candidates(catalog)
    assert (found.product, found.program, found.path) == (STACK, PROGRAM, path_of(STACK))
    assert (found.attempts, found.published_sha256, found.refused_sha256) == (0, None, None)
    assert found.marks == Marks("2024-02-01T00:00:00", "1.0")


def test_all_that_a_row_says_is_kept(catalog: Catalog) -> None:
    """Every column of a row is stored, those that we do not know as well."""
    strange = replace(row(STACK), extra={"seeing": 1.2, "when": date(2024, 1, 1)}, program="ELSE")
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(strange, path_of(STACK))])
    (listing,) = rows(catalog, "listings")
    assert json.loads(listing["extra"]) == {"seeing": 1.2, "when": "2024-01-01"}
    assert (listing["program"], listing["progname"]) == (PROGRAM, "ELSE")
    assert (listing["target"], listing["ra"], listing["dec"]) == ("SN2024wex", 326.1, 50.8)
    assert (listing["fid"], listing["fieldid"]) == (1, 999_999_999)
    assert listing["utctime"] == strange.utctime
    assert (listing["nightdate"], listing["region"]) == ("2024-01-31", "")
    assert listing["lastmodified"] == "2024-02-01T00:00:00"
    assert listing["pipeversion"] == "1.0"


def test_a_poll_is_recorded(catalog: Catalog) -> None:
    """What a poll asked and found is kept with its time, also where it failed."""
    asked = query(subject(region=Target("SN2024wex")), end=date(2024, 3, 1))
    catalog.listings.record_poll(Poll(asked, sweep=True, listed=7, new=6, changed=5, returned=4))
    catalog.listings.record_poll(
        Poll(asked, sweep=False, withdrawn=3, faults=2, seconds=1.5, error="it was dark")
    )
    first, second = rows(catalog, "polls")
    assert first["at"] == "2024-02-01T12:00:00.000+00:00"
    assert (first["program"], first["instrument"], first["image_type"]) == (
        *(PROGRAM, "winter", "stack"),
    )
    assert (first["region"], first["start"], first["end"]) == (
        *("target SN2024wex", "2024-01-01", "2024-03-01"),
    )
    assert [first[name] for name in ("sweep", "listed", "new", "changed", "returned")] == [
        *(1, 7, 6, 5, 4),
    ]
    assert [second[name] for name in ("withdrawn", "faults", "seconds", "error")] == [
        *(3, 2, 1.5, "it was dark"),
    ]


def test_old_polls_are_forgotten_but_not_sweeps(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog does not grow for ever by its polls; sweeps stay, since they tell what is due."""
    monkeypatch.setattr(polls, "_POLLS_KEPT", 5)
    catalog.listings.record_poll(Poll(query(), sweep=True))
    for _ in range(20):
        poll(catalog)
    assert [one["id"] for one in rows(catalog, "polls")] == [1, 17, 18, 19, 20, 21]


def test_seeing_a_product_again_moves_only_its_times(catalog: Catalog, clock: Clock) -> None:
    """A known product that is listed again keeps its state and when it was first listed."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    before = stored(catalog, STACK)
    clock.advance(hours=1)
    poll(catalog, [STACK])
    after = stored(catalog, STACK)
    assert after == {**before, "last_listed": "2024-02-01T13:00:00.000+00:00"}
    (listing,) = rows(catalog, "listings")
    assert listing["first_listed"] == "2024-02-01T12:00:00.000+00:00"
    assert listing["last_listed"] == "2024-02-01T13:00:00.000+00:00"


def test_a_row_may_be_corrected_later(catalog: Catalog) -> None:
    """The newest listing of a product is the one that counts."""
    poll(catalog, [STACK])
    corrected = replace(row(STACK), target="SN2024abc", ra=None)
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(corrected, path_of(STACK))])
    (listing,) = rows(catalog, "listings")
    assert (listing["target"], listing["ra"]) == ("SN2024abc", None)


def test_a_changed_product_is_wanted_again(catalog: Catalog) -> None:
    """A product that is to be fetched again may be so at once, whatever it went through before."""
    poll(catalog, [STACK])
    (taken,) = candidates(catalog)
    commit(catalog, Missing(taken), wait=timedelta(days=1))
    assert waiting(catalog) == []
    poll(catalog, [STACK], marks=REPROCESSED, wanted=[row(STACK, marks=REPROCESSED)])
    (found,) = candidates(catalog)
    assert found.attempts == 0
    assert found.marks == REPROCESSED
    publish(catalog, STACK, b"content")
    poll(catalog, [STACK], wanted=[row(STACK)])
    (found,) = candidates(catalog)
    assert found.published_sha256 == sha256(b"content")


def test_what_is_known_is_told(catalog: Catalog) -> None:
    """The state of a product, its settled marks and whether it is withdrawn are known."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    expected = KnownProduct(
        product=STACK,
        state=State.PUBLISHED,
        settled_marks=Marks("2024-02-01T00:00:00", "1.0"),
        withdrawn=False,
    )
    unknown = product(9)
    asked = [STACK.identity, unknown.identity]
    assert catalog.listings.known(asked) == [expected]
    poll(catalog, withdrawn=[STACK])
    assert catalog.listings.known(asked) == [replace(expected, withdrawn=True)]


def test_a_long_listing_is_known_whole(catalog: Catalog) -> None:
    """However many products are asked about or listed in one go, each is found."""
    many = [product(number) for number in range(1001)]
    assert poll(catalog, many) == []
    known = catalog.listings.known([one.identity for one in many])
    assert {one.product for one in known} == set(many)
    assert len(rows(catalog, "listings")) == 1001


def test_a_withdrawn_product_is_not_fetched_until_it_returns(catalog: Catalog) -> None:
    """What no program lists any more is left alone; listed again, it may be fetched again."""
    poll(catalog, [STACK])
    poll(catalog, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is not None
    assert waiting(catalog) == []
    assert count_wanted(catalog, ALL) == 0
    poll(catalog, [STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is None
    assert waiting(catalog) == [STACK]


def test_a_product_is_withdrawn_only_when_nobody_lists_it(catalog: Catalog) -> None:
    """While one of two programs lists a product, it may be fetched under that one."""
    poll(catalog, [STACK])
    poll(catalog, [STACK], program=OTHER)
    poll(catalog, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is None
    assert [one.program for one in candidates(catalog)] == [OTHER]
    assert waiting(catalog, Scope((PROGRAM,))) == []
    assert count_wanted(catalog, Scope((PROGRAM,))) == 0
    poll(catalog, program=OTHER, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is not None


def test_two_products_never_share_a_path(catalog: Catalog) -> None:
    """A new product whose path is another's, in whatever case, is left out and reported."""
    upper = replace(STACK, savepath=STACK.savepath.upper())
    elsewhere = replace(STACK, savepath=f"/elsewhere{STACK.savepath}")
    listed = [
        (row(STACK), path_of(STACK)),
        (row(upper), path_of(STACK).upper()),
        (row(DIFF), path_of(DIFF)),
        (row(elsewhere), path_of(STACK)),
    ]
    for _ in range(2):
        left_out = catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed)
        assert left_out == [upper, elsewhere]
    assert waiting(catalog) == [STACK, DIFF]
    assert len(rows(catalog, "listings")) == 2


def test_a_known_product_keeps_its_path(catalog: Catalog) -> None:
    """A layout that was changed since does not move what is recorded."""
    poll(catalog, [STACK])
    moved = [(row(STACK), "elsewhere/x.fits")]
    assert catalog.listings.record_poll(Poll(query(), sweep=False), listed=moved) == []
    assert stored(catalog, STACK)["path"] == path_of(STACK)


def test_the_cameras_do_not_share_identities(catalog: Catalog) -> None:
    """One savepath under two instruments is two products."""
    twin = replace(STACK, instrument=Instrument.SPRING)
    poll(catalog, [STACK])
    asked = Query(replace(subject(), instrument=Instrument.SPRING), date(2024, 1, 1))
    catalog.listings.record_poll(Poll(asked, sweep=False), listed=[(row(twin), path_of(twin))])
    assert set(waiting(catalog)) == {STACK, twin}
    assert catalog.listings.known([STACK.identity])[0].product == STACK


def test_a_row_that_names_another_program_is_fetched_under_the_one_asked(catalog: Catalog) -> None:
    """Whatever program a row names, it is the asked one whose key can fetch it."""
    stray = replace(row(STACK), program="2019Z999")
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(stray, path_of(STACK))])
    (found,) = candidates(catalog, Scope((PROGRAM,)))
    assert found.program == PROGRAM


def test_a_poll_is_recorded_whole_or_not_at_all(catalog: Catalog) -> None:
    """A row that cannot be stored leaves nothing of its poll behind."""
    odd: Any = object()
    listed = [(row(STACK), path_of(STACK)), (replace(row(DIFF), target=odd), path_of(DIFF))]
    with pytest.raises(StorageError, match="not supported"):
        catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed)
    assert [rows(catalog, table) for table in ("products", "listings", "polls")] == [[], [], []]
    assert poll(catalog, [STACK]) == []


def listed_on(catalog: Catalog, nightdate: str | None, region: Region | None = None) -> None:
    """List the stack with a nightdate."""
    listed = [(replace(row(STACK), nightdate=nightdate), path_of(STACK))]
    catalog.listings.record_poll(Poll(query(subject(region=region)), sweep=False), listed=listed)


@pytest.mark.parametrize(
    ("nightdate", "expected"),
    [
        ("2024-01-01", False),
        ("2024-01-01T06:00:00", False),
        ("2024-01-02", True),
        ("2024-01-30", True),
        ("2024-01-30T23:59:59", True),
        ("2024-01-31", False),
        ("2024-01-31T00:00:00", False),
        ("20240115", True),
        (None, False),
    ],
)
def test_only_what_lies_well_inside_a_query_is_expected(
    catalog: Catalog, nightdate: str | None, *, expected: bool
) -> None:
    """Of what was listed, only dates between the ends of a query must be listed again."""
    listed_on(catalog, nightdate)
    asked = query(end=date(2024, 1, 31))
    assert catalog.listings.expected(asked, TODAY) == ([STACK] if expected else [])


def test_an_open_end_expects_all_up_to_the_servers_today(catalog: Catalog) -> None:
    """A query without an end owes what it listed, but nothing of a day that has not begun."""
    listed_on(catalog, "2024-01-31")
    assert catalog.listings.expected(query(), date(2024, 1, 31)) == [STACK]
    assert catalog.listings.expected(query(), date(2024, 1, 30)) == []


def test_only_what_this_very_query_listed_is_expected(catalog: Catalog) -> None:
    """Another region, program, type or camera does not owe us a product; nor is it owed twice."""
    target, cone = Target("SN2024wex"), Cone(326.1, 50.8)
    listed_on(catalog, "2024-01-15", target)
    assert catalog.listings.expected(query(subject(region=target)), TODAY) == [STACK]
    for other in (
        subject(),
        subject(region=cone),
        subject(OTHER, region=target),
        subject(kind=ImageType.DIFF, region=target),
        replace(subject(region=target), instrument=Instrument.SPRING),
    ):
        assert catalog.listings.expected(query(other), TODAY) == []
    listed_on(catalog, "2024-01-15", cone)
    assert catalog.listings.expected(query(subject(region=target)), TODAY) == []
    assert catalog.listings.expected(query(subject(region=cone)), TODAY) == [STACK]
    poll(catalog, withdrawn=[STACK])
    assert catalog.listings.expected(query(subject(region=cone)), TODAY) == []


def test_the_last_sweep_is_the_last_that_succeeded(catalog: Catalog, clock: Clock) -> None:
    """Only a sweep of this very subject that did not fail counts."""
    assert catalog.polls.last_sweep(subject()) is None
    swept = clock()
    catalog.listings.record_poll(Poll(query(), sweep=True))
    clock.advance(hours=1)
    catalog.listings.record_poll(Poll(query(), sweep=False))
    catalog.listings.record_poll(Poll(query(), sweep=True, error="it was dark"))
    for other in (subject(OTHER), subject(kind=ImageType.DIFF), subject(region=Target("x"))):
        catalog.listings.record_poll(Poll(query(other), sweep=True))
    assert catalog.polls.last_sweep(subject()) == swept
    assert catalog.polls.last_sweep(subject(region=Target("y"))) is None


# --- the queue -----------------------------------------------------------------------------------


def test_the_order_of_fetching(catalog: Catalog) -> None:
    """First what is untroubled, then the newest night, then the type, then the name."""
    tonight, before = NIGHT, NIGHT.plus(-1)
    expected = [
        product(0, ImageType.STACK, night=tonight),
        product(1, ImageType.STACK, night=tonight),
        product(0, ImageType.DIFF, night=tonight),
        product(0, ImageType.EXPOSURE, night=tonight),
        product(0, ImageType.STACK, night=before),
        product(2, ImageType.STACK, night=tonight),
    ]
    poll(catalog, reversed(expected))
    (troubled,) = (one for one in candidates(catalog) if one.product == expected[-1])
    commit(catalog, Failed(troubled, "it was dark"))
    assert waiting(catalog) == expected
    assert [one.product for one in candidates(catalog, limit=2)] == expected[:2]
    swapped = catalog.queue.candidates(ALL, tuple(reversed(FETCH_ORDER)), 2)
    assert [one.product for one in swapped] == [expected[3], expected[2]]


SCOPES = {
    "two programs": (ALL, {"stack", "diff", "spring", "earlier"}),
    "one program": (Scope((PROGRAM,)), {"stack", "diff", "spring", "earlier"}),
    "the other program": (Scope((OTHER,)), {"stack"}),
    "no program": (Scope(()), set()),
    "an unknown program": (Scope(("2019Z999",)), set()),
    "a type": (replace(ALL, image_types=(ImageType.DIFF,)), {"diff"}),
    "two types": (replace(ALL, image_types=(ImageType.DIFF, ImageType.AVRO)), {"diff"}),
    "a camera": (replace(ALL, instruments=(Instrument.SPRING,)), {"spring"}),
    "since": (replace(ALL, first_night=NIGHT), {"stack", "diff", "spring"}),
    "until": (replace(ALL, last_night=NIGHT.plus(-1)), {"earlier"}),
    "one night": (
        replace(ALL, first_night=NIGHT.plus(-1), last_night=NIGHT.plus(-1)),
        {"earlier"},
    ),
    "a subject": (replace(ALL, subjects=(subject(),)), {"stack", "earlier"}),
    "two subjects": (
        replace(ALL, subjects=(subject(kind=ImageType.DIFF), subject(OTHER))),
        {"diff", "stack"},
    ),
    "another region": (replace(ALL, subjects=(subject(region=Target("x")),)), set()),
    "all at once": (
        replace(ALL, subjects=(subject(),), image_types=(ImageType.STACK,), first_night=NIGHT),
        {"stack"},
    ),
}


@pytest.mark.parametrize(("scope", "expected"), SCOPES.values(), ids=SCOPES)
def test_a_scope_narrows_everything(catalog: Catalog, scope: Scope, expected: set[str]) -> None:
    """Programs, types, nights and subjects narrow what is fetched, counted and shown alike."""
    names = {
        STACK: "stack",
        DIFF: "diff",
        SPRING: "spring",
        product(0, night=NIGHT.plus(-1)): "earlier",
    }
    for one in names:
        asked = Query(Subject(PROGRAM, one.instrument, one.image_type), date(2024, 1, 1))
        catalog.listings.record_poll(Poll(asked, sweep=False), listed=[(row(one), path_of(one))])
    poll(catalog, [STACK], program=OTHER)
    assert {names[one] for one in waiting(catalog, scope)} == expected
    assert count_wanted(catalog, scope) == len(expected)
    assert sum(count.wanted for count in catalog.views.night_counts(scope)) == len(expected)
    commit(catalog, *(Failed(one, "it was dark") for one in candidates(catalog)))
    assert {names[one.product] for one in catalog.views.troubles(scope, 10)} == expected


def test_what_is_wanted_is_counted_by_night_and_type(catalog: Catalog) -> None:
    """With how many of it failed before; what somebody is fetching does not count."""
    earlier = product(0, night=NIGHT.plus(-1))
    poll(catalog, [STACK, product(1), product(2), DIFF, earlier])
    first, second, *_ = candidates(catalog)
    commit(catalog, Failed(first, "it was dark"), Failed(second, "it was dark"))
    assert set(catalog.queue.wanted(ALL)) == {
        Share(NIGHT, Instrument.WINTER, ImageType.STACK, 3, failed=2),
        Share(NIGHT, Instrument.WINTER, ImageType.DIFF, 1),
        Share(NIGHT.plus(-1), Instrument.WINTER, ImageType.STACK, 1),
    }
    catalog.queue.claim([one for one in candidates(catalog) if one.product == DIFF], "s1")
    assert count_wanted(catalog, ALL) == 4


def test_a_missing_product_says_so_when_it_may_be_asked_for_again(catalog: Catalog) -> None:
    """Its candidate tells that it was missing, so that it is not counted as wanted."""
    poll(catalog, [STACK])
    (before,) = candidates(catalog)
    commit(catalog, Missing(before))
    (after,) = candidates(catalog)
    assert (before.state, after.state) == (State.WANTED, State.MISSING)


def test_a_wait_that_a_wrong_clock_began_ends_with_it(catalog: Catalog, clock: Clock) -> None:
    """What failed or was missing while the clock was ahead by years is not left alone for years."""
    poll(catalog, [STACK, DIFF])
    clock.advance(days=4000)
    taken = {one.product: one for one in candidates(catalog)}
    commit(catalog, Failed(taken[STACK], "it was dark", sha256="abc"), wait=timedelta(hours=6))
    commit(catalog, Missing(taken[DIFF]), wait=timedelta(hours=24))
    assert waiting(catalog) == []
    clock.advance(days=-4000)
    assert catalog.queue.next_retry(ALL) == clock()
    again = {one.product: one for one in candidates(catalog)}
    assert set(again) == {STACK, DIFF}
    assert again[STACK].refused_sha256 == "abc"
    commit(catalog, Failed(again[STACK], "it was dark"), wait=timedelta(hours=6))
    commit(catalog, Missing(again[DIFF]), wait=timedelta(hours=24))
    assert waiting(catalog) == []
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=6)


def test_a_product_of_two_programs_is_fetched_once(catalog: Catalog) -> None:
    """It is one candidate, under the first program of the scope by name."""
    poll(catalog, [STACK], program=OTHER)
    poll(catalog, [STACK])
    assert [one.program for one in candidates(catalog)] == [PROGRAM]
    assert [one.program for one in candidates(catalog, Scope((OTHER,)))] == [OTHER]
    assert count_wanted(catalog, ALL) == 1


def test_the_marks_of_a_candidate_are_those_of_all_its_listings(catalog: Catalog) -> None:
    """Two programs may list one product with different marks: a fetch settles both of them.

    Otherwise the next poll would take one of them for a change, for ever.
    """
    poll(catalog, [STACK])
    poll(catalog, [STACK], program=OTHER, marks=REPROCESSED)
    ((program, marks),) = [(one.program, one.marks) for one in candidates(catalog)]
    assert program == PROGRAM
    assert marks.cover(REPROCESSED)
    assert marks.cover(Marks("2024-02-01T00:00:00", "1.0"))


def test_how_large_a_product_will_be(catalog: Catalog) -> None:
    """Its own last size counts, else that of the last hundred of its kind, else the type's."""
    poll(catalog, [STACK, DIFF, product(1), SPRING])
    sizes = {one.product: one.expected_size for one in candidates(catalog)}
    assert sizes[STACK] == ImageType.STACK.traits.typical_size
    publish(catalog, STACK, b"x" * 10)
    publish(catalog, product(1), b"x" * 20)
    poll(catalog, [product(2)], wanted=[row(STACK)])
    sizes = {one.product: one.expected_size for one in candidates(catalog)}
    assert sizes == {
        STACK: 10,
        product(2): 15,
        DIFF: ImageType.DIFF.traits.typical_size,
        SPRING: ImageType.STACK.traits.typical_size,
    }


def test_only_recent_sizes_tell_the_next(
    catalog: Catalog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the observatory's files grow, the expectation follows."""
    monkeypatch.setattr(queue, "_RECENT", 2)
    poll(catalog, [product(number) for number in range(5)])
    for number, size in enumerate((1000, 10, 20)):
        publish(catalog, product(number), b"x" * size)
        clock.advance(minutes=1)
    assert {one.expected_size for one in candidates(catalog)} == {15}


def test_what_is_claimed_is_not_offered(catalog: Catalog) -> None:
    """A claimed product is nobody else's, until it is released as it was."""
    poll(catalog, [STACK, DIFF])
    found = candidates(catalog)
    assert catalog.queue.claim(found[:1], "one") == (found[0],)
    assert candidates(catalog) == found[1:]
    assert catalog.queue.claim(found, "two") == (found[1],)
    assert catalog.queue.claimants() == ["one", "two"]
    catalog.queue.release(found)
    assert candidates(catalog) == found
    assert catalog.queue.claimants() == []


def test_what_was_published_meanwhile_is_not_claimed(catalog: Catalog) -> None:
    """A candidate that another process has finished with since is not taken again."""
    poll(catalog, [STACK])
    found = candidates(catalog)
    publish(catalog, STACK, b"content")
    assert catalog.queue.claim(found, "late") == ()


def test_leases_of_the_dead_are_taken_back(catalog: Catalog) -> None:
    """Sessions that are not alive lose what they claimed; those that are alive keep it."""
    poll(catalog, [STACK, DIFF, product(1)])
    for one, session in zip(candidates(catalog), ("alive", "dead", "gone"), strict=True):
        catalog.queue.claim([one], session)
    assert catalog.queue.release_sessions(["alive"]) == 2
    assert catalog.queue.claimants() == ["alive"]
    assert catalog.queue.release_sessions([]) == 1
    assert len(waiting(catalog)) == 3


def test_a_session_that_began_meanwhile_keeps_its_leases(catalog: Catalog) -> None:
    """Who claimed after the claimants were asked for is not judged."""
    poll(catalog, [STACK, DIFF])
    found = candidates(catalog)
    catalog.queue.claim(found[:1], "dead")
    among = catalog.queue.claimants()
    catalog.queue.claim(found[1:], "newcomer")
    assert catalog.queue.release_sessions([], among) == 1
    assert catalog.queue.claimants() == ["newcomer"]


def test_all_leases_of_a_session_are_taken_back_at_once(catalog: Catalog) -> None:
    """A session can give up whatever it has claimed, and no other loses anything."""
    poll(catalog, [STACK, DIFF, product(1)])
    found = candidates(catalog)
    catalog.queue.claim(found[:2], "one")
    catalog.queue.claim(found[2:], "two")
    assert catalog.queue.release_all("one") == 2
    assert catalog.queue.release_all("one") == 0
    assert catalog.queue.claimants() == ["two"]


def test_it_is_known_when_something_may_be_tried_again(catalog: Catalog, clock: Clock) -> None:
    """At once, later, or never: what is leased, withdrawn or here does not count."""
    assert catalog.queue.next_retry(ALL) is None
    poll(catalog, [STACK, DIFF])
    assert catalog.queue.next_retry(ALL) == clock()
    for claimable in candidates(catalog):
        wait = timedelta(hours=2 if claimable.product == STACK else 1)
        commit(catalog, Failed(claimable, "no"), wait=wait)
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=1)
    poll(catalog, withdrawn=[DIFF])
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=2)
    clock.advance(hours=2)
    publish(catalog, STACK, b"content")
    assert catalog.queue.next_retry(ALL) is None


# --- outcomes ------------------------------------------------------------------------------------


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
        (one["revision"], one["sha256"], one["kept"], one["published_at"], one["replaced_at"])
        for one in rows(catalog, "revisions")
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
    assert [one["revision"] for one in rows(catalog, "revisions")] == [1]


def test_a_failed_product_waits(catalog: Catalog, clock: Clock) -> None:
    """A failure is counted and told, and the product is offered again after the wait given."""
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
        assert [one.attempts for one in candidates(catalog)] == [attempts]
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
    assert [one.attempts for one in candidates(catalog)] == [1]


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
    assert (rows(catalog, "products"), rows(catalog, "revisions")) == ([], [])


def refuse(catalog: Catalog, content: bytes | None) -> None:
    """Commit that the stack came with this content and was refused for one of its cards."""
    (taken,) = candidates(catalog)
    digest = sha256(content) if content is not None else None
    commit(catalog, Failed(taken, "its sum is wrong", blamed=True, sha256=digest))


def test_a_refused_content_is_told_after_an_hour(catalog: Catalog, clock: Clock) -> None:
    """Content refused for one of its cards is handed back once it has been so for an hour."""
    poll(catalog, [STACK])
    refuse(catalog, b"odd")
    for minutes in (0, 30, 29.9):
        clock.advance(minutes=minutes)
        assert [one.refused_sha256 for one in candidates(catalog)] == [None]
        refuse(catalog, b"odd")
    clock.advance(minutes=0.1)
    assert [one.refused_sha256 for one in candidates(catalog)] == [sha256(b"odd")]
    refuse(catalog, None)
    assert [one.refused_sha256 for one in candidates(catalog)] == [sha256(b"odd")]


def test_another_refused_content_begins_anew(catalog: Catalog, clock: Clock) -> None:
    """Content that still changes is being written: its hour begins again, and ends with success."""
    poll(catalog, [STACK])
    refuse(catalog, b"half")
    clock.advance(hours=2)
    refuse(catalog, b"more")
    assert [one.refused_sha256 for one in candidates(catalog)] == [None]
    clock.advance(hours=1)
    assert [one.refused_sha256 for one in candidates(catalog)] == [sha256(b"more")]
    publish(catalog, STACK, b"whole")
    poll(catalog, wanted=[row(STACK)])
    assert [one.refused_sha256 for one in candidates(catalog)] == [None]


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
    """What a crash left of a reprocessed product is its next revision, with the kept one told."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"one")
    poll(catalog, wanted=[row(STACK)])
    assert catalog.outcomes.adopt(replace(evidence(STACK, b"two"), kept="the kept one"))
    assert [one["kept"] for one in rows(catalog, "revisions")] == ["the kept one", None]


def test_a_product_that_nobody_lists_is_not_adopted(catalog: Catalog) -> None:
    """Evidence of a product that the catalog has never heard of is no news."""
    assert not catalog.outcomes.adopt(evidence(STACK, b"content"))


# --- looking -------------------------------------------------------------------------------------


def test_nights_are_counted_by_kind_and_state(catalog: Catalog) -> None:
    """Each night, camera and type tells how much is here, to come, missing and withdrawn."""
    earlier = NIGHT.plus(-1)
    gone, lost, here = product(1), product(2), product(3)
    poll(catalog, [STACK, gone, lost, here, DIFF, product(0, night=earlier)])
    publish(catalog, here, b"x" * 100)
    publish(catalog, DIFF, b"x" * 10)
    commit(catalog, *(Missing(one) for one in candidates(catalog) if one.product == lost))
    poll(catalog, withdrawn=[gone])
    nothing = NightCount(NIGHT, Instrument.WINTER, ImageType.STACK, 0, 0, 0, 0, 0)
    assert catalog.views.night_counts(ALL) == [
        replace(nothing, image_type=ImageType.DIFF, published=1, size=10),
        replace(nothing, published=1, wanted=1, missing=1, withdrawn=1, size=100),
        replace(nothing, night=earlier, wanted=1),
    ]


def test_only_what_a_program_ever_listed_is_counted_for_it(catalog: Catalog) -> None:
    """Of the nights that count for some programs, what others alone listed is no part."""
    poll(catalog, [STACK, product(1)])
    poll(catalog, [product(1), product(2)], program=OTHER)
    poll(catalog, program=OTHER, withdrawn=[product(2)])
    counted = {
        programs: [
            (one.wanted, one.withdrawn) for one in catalog.views.night_counts(Scope(programs))
        ]
        for programs in [(PROGRAM,), (OTHER,), (PROGRAM, OTHER), ("2023A000",), ()]
    }
    assert counted == {
        (PROGRAM,): [(2, 0)],
        (OTHER,): [(1, 1)],
        (PROGRAM, OTHER): [(2, 1)],
        ("2023A000",): [],
        (): [],
    }


def test_troubles_are_what_was_tried_in_vain(catalog: Catalog) -> None:
    """What failed or is missing is told with its reason, the newest night first, within a limit."""
    earlier = product(0, night=NIGHT.plus(-1))
    poll(catalog, [STACK, DIFF, earlier, product(1), product(2)])
    found = {one.product: one for one in candidates(catalog)}
    failed = [Failed(found[one], "it was dark") for one in (earlier, product(1))]
    commit(catalog, Missing(found[STACK]), *failed, wait=timedelta(hours=1))
    publish(catalog, DIFF, b"content")
    poll(catalog, withdrawn=[product(1)])
    again = "2024-02-01T13:00:00.000+00:00"
    expected = [
        Trouble(STACK, State.MISSING, 1, again, None),
        Trouble(earlier, State.WANTED, 1, again, "it was dark"),
    ]
    assert catalog.views.troubles(ALL, 10) == expected
    assert catalog.views.troubles(ALL, 1) == expected[:1]


def test_the_last_poll_of_each_kind(catalog: Catalog, clock: Clock) -> None:
    """Of every program, camera and type the latest poll is told, with its error if it failed."""
    catalog.listings.record_poll(Poll(query(), sweep=False, listed=5))
    catalog.listings.record_poll(Poll(query(subject(OTHER)), sweep=False, listed=7))
    clock.advance(hours=1)
    catalog.listings.record_poll(Poll(query(), sweep=False, error="it was dark"))
    said = [(one.program, one.at[11:13], one.listed, one.error) for one in catalog.polls.last()]
    assert said == [(PROGRAM, "13", 0, "it was dark"), (OTHER, "12", 7, None)]


# --- cost ----------------------------------------------------------------------------------------


def steps(catalog: Catalog, work: Any) -> int:  # noqa: ANN401 - any call without arguments
    """Return how many thousand steps SQLite's machine makes for some work."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    catalog.connection.sqlite.set_progress_handler(count, 1000)
    try:
        work()
    finally:
        catalog.connection.sqlite.set_progress_handler(None, 0)
    return counted


EVERY_SUBJECT = tuple(
    Subject(program, Instrument.WINTER, kind) for program in ALL.programs for kind in ImageType
)


@pytest.mark.parametrize(
    "scope", [ALL, replace(ALL, subjects=EVERY_SUBJECT)], ids=["all", "subjects"]
)
@pytest.mark.parametrize("published", [False, True], ids=["all wanted", "few wanted"])
def test_the_queue_does_not_cost_more_in_a_large_catalog(
    tmp_path: Path, clock: Clock, scope: Scope, *, published: bool
) -> None:
    """Choosing what to fetch next takes about as many steps in a catalog eight times as large."""
    costs = []
    for nights in (5, 40):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            poll(
                catalog,
                [product(n, night=NIGHT.plus(-d)) for d in range(nights) for n in range(100)],
            )
            if published:
                catalog.connection.db.execute(
                    "UPDATE products SET state = 'published', size = 1, published_at = ''"
                    " WHERE savepath NOT LIKE '%00-000_stack.fits'"
                )
            costs.append(steps(catalog, lambda one=catalog: candidates(one, scope, 10)))
    assert costs[1] <= 2 * costs[0]


def test_a_whole_mirror_is_counted_from_an_index_alone(catalog: Catalog) -> None:
    """Where all programs count, neither the products themselves nor their listings are read."""
    poll(catalog, [STACK])
    poll(catalog, [DIFF], program=OTHER)
    asked: list[str] = []
    catalog.connection.sqlite.set_trace_callback(asked.append)
    counts = catalog.views.night_counts(ALL)
    catalog.connection.sqlite.set_trace_callback(None)
    assert len(counts) == 2
    (counting,) = (sql for sql in asked if "AS size" in sql)
    plan = [step["detail"] for step in catalog.connection.rows(f"EXPLAIN QUERY PLAN {counting}")]
    assert plan == ["SCAN p USING COVERING INDEX products_by_night", "USE TEMP B-TREE FOR ORDER BY"]


def test_a_poll_costs_by_its_rows_only(tmp_path: Path, clock: Clock) -> None:
    """Recording and comparing a poll takes about as many steps in a catalog many times as large."""
    costs = []
    for nights in (5, 40):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            poll(
                catalog,
                [product(n, night=NIGHT.plus(-d)) for d in range(nights) for n in range(100)],
            )
            newest = [product(n) for n in range(100)]
            recent = Query(subject(), date(2024, 1, 30))

            def work(one: Catalog = catalog, listed: list[Product] = newest) -> None:
                one.listings.known([each.identity for each in listed])
                assert len(one.listings.expected(recent, TODAY)) == len(listed)  # noqa: B023 - it is the same
                poll(one, listed)

            costs.append(steps(catalog, work))
    assert costs[1] <= 2 * costs[0]


# --- its thread ----------------------------------------------------------------------------------


async def test_coroutines_reach_the_catalog_on_its_thread(path: Path, clock: Clock) -> None:
    """Every call runs on one thread of the catalog's own, and gives its result or its error."""
    async with CatalogThread(path, clock) as thread:
        names = {await thread(lambda _: threading.current_thread().name) for _ in range(3)}
        assert len(names) == 1
        assert names != {threading.current_thread().name}
        await thread(Catalog.take_mirror_name, "mirror")
        assert await thread(Catalog.mirror_name) == "mirror"
        with pytest.raises(StorageError, match="no such column"):
            await thread(lambda catalog: catalog.connection.rows("SELECT sense FROM mirror"))
    with closing(Catalog(path, clock)) as catalog:
        assert catalog.mirror_name() == "mirror"


async def test_a_thread_that_is_not_open_says_so(path: Path, clock: Clock) -> None:
    """A call before the catalog was opened is a mistake of the caller."""
    with pytest.raises(RuntimeError, match="not open"):
        await CatalogThread(path, clock)(Catalog.mirror_name)


async def test_a_catalog_that_cannot_be_opened_leaves_no_thread(path: Path, clock: Clock) -> None:
    """When opening fails the error arrives, and the thread is gone."""
    before = set(threading.enumerate())
    with pytest.raises(StorageError):
        async with CatalogThread(path / "gone", clock):
            pass
    assert set(threading.enumerate()) <= before


async def test_a_cancelled_caller_is_told_when_the_work_has_ended(path: Path, clock: Clock) -> None:
    """Cancelling never leaves a transaction running behind the caller's back."""
    started, go = threading.Event(), threading.Event()

    def work(catalog: Catalog) -> None:
        started.set()
        go.wait()
        catalog.take_mirror_name("mirror")

    async with CatalogThread(path, clock) as thread:
        task = asyncio.create_task(thread(work))
        await asyncio.to_thread(started.wait)
        task.cancel()
        await asyncio.wait({task}, timeout=0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await thread(Catalog.mirror_name) == "mirror"
