"""Opening a catalog, on real SQLite files, and with real processes beside it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.catalogs import DIFF, STACK, poll, rows, stored, waiting
from support.disks import fill, mounted
from support.makers import PROGRAM, path_of, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import migrations
from winter_sync.catalog.sqlite import Database
from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.clock import Clock

    from winter_sync.core.products import Product

SUPPORT = Path(__file__).parent.parent / "support"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}:{SUPPORT.parent}"}

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
        for entry, state in (*usual, *more):
            identity = {"instrument": entry.instrument.value, "savepath": entry.savepath}
            db.table("products").insert(
                {
                    **identity,
                    "image_type": entry.image_type.value,
                    "night": entry.night.name,
                    "filename": entry.filename,
                    "path": path_of(entry),
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
            assert migrations.applied(catalog.connection.sqlite) == [
                "create_tables",
                "tell_who_asked_and_index_the_queue",
                "index_what_is_watched",
                "index_what_is_counted",
                "keep_what_is_looked_at_again",
                "forget_what_cannot_be_checked",
                "record_what_is_verified",
                "record_what_headers_say",
                "record_alerts",
                "index_what_is_searched",
                "record_events",
                "keep_event_sinks",
                "record_settled_nights",
                "record_refetches",
                "record_too_requests",
                "index_what_views_ask",
                "hold_withdrawals",
                "link_successors",
                "set_withdrawn_files_aside",
                "record_corrections",
                "keep_last_listed_by_poll",
                "number_products",
                "index_what_is_due",
                "sum_up_the_sky",
                "count_nights",
                "pack_times_of_listings",
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
    make_first_edition(path, *((entry, "wanted") for entry in others), (kept, "published"))
    with closing(Catalog(path, clock)) as catalog:
        assert set(waiting(catalog)) == {STACK, product(1), *others[3:]}
        entered = {entry["savepath"] for entry in rows(catalog, "products")}
        listed = {entry["savepath"] for entry in rows(catalog, "listings")}
        assert (
            entered
            == listed
            == {entry.savepath for entry in (STACK, DIFF, product(1), *others[3:], kept)}
        )


def files_of(path: Path) -> dict[str, bytes]:
    """Return everything beside a path, byte for byte."""
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}


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


def test_a_damaged_catalog_is_reported(path: Path, clock: Clock) -> None:
    """A catalog with torn pages gives an error with a remedy, never wrong answers."""
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, [product(number) for number in range(300)])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StorageError, match="malformed") as damaged:
        waiting(Catalog(path, clock))
    assert "backup" in damaged.value.remedy


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path, clock: Clock) -> None:
    """Without its directory the catalog is not made, and the error says so."""
    with pytest.raises(StorageError, match="unable to open") as missing:
        Catalog(tmp_path / "gone" / "catalog.sqlite3", clock)
    assert "directory" in missing.value.remedy


def test_a_lock_that_is_held_too_long_is_reported(path: Path, clock: Clock) -> None:
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
def test_a_catalog_one_may_not_write_is_reported(clock: Clock, *, exists: bool) -> None:
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


def test_a_full_disk_is_reported_and_survived(tmp_path: Path, clock: Clock) -> None:
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


def lines_of(running: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Send all processes their line, and return what each prints until it ends."""
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate()[0].splitlines() for process in running]


def test_processes_that_open_a_new_catalog_together_share_it(path: Path) -> None:
    """Several processes that make one catalog at the same moment all succeed, bound to one name."""
    names = ["one", "two", "three", "four"]
    with processes(path, "open", names) as running:
        said = lines_of(running)
        assert [process.returncode for process in running] == [0] * len(names)
    assert len({tuple(lines) for lines in said}) == 1
    assert said[0][0] in names


def test_a_product_is_claimed_by_one_process_only(path: Path, clock: Clock) -> None:
    """Of several processes that claim all they can get, no two get the same product."""
    listed = [product(number) for number in range(200)]
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, listed)
        with processes(path, "claim", ["one", "two", "three"]) as running:
            taken = lines_of(running)
        assert sorted(catalog.queue.claimants()) == sorted(
            name for name, some in zip(["one", "two", "three"], taken, strict=True) if some
        )
        assert waiting(catalog) == []
    everything = [savepath for some in taken for savepath in some]
    assert sorted(everything) == sorted(entry.savepath for entry in listed)


def test_a_commit_outlives_a_kill(path: Path, clock: Clock) -> None:
    """What was committed just before a process was killed is there for the next."""
    with closing(Catalog(path, clock)) as catalog:
        poll(catalog, [STACK])
        with processes(path, "record", ["killed"]) as running:
            lines_of(running)
            assert running[0].returncode < 0
        assert stored(catalog, STACK)["state"] == "published"
    with closing(Catalog(path, clock)) as catalog:
        assert waiting(catalog) == []
