"""Whoever may only read a mirror can look at it, and looking changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.clock import NOON
from support.command import PROGRAM, run, served, settings_file
from support.makers import candidate, evidence, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import migrations
from winter_sync.catalog.readonly import connect, may_write
from winter_sync.catalog.records import Poll
from winter_sync.catalog.sqlite import Database
from winter_sync.core.downloads import Missing, Published
from winter_sync.core.errors import ExitCode, StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.queries import Query, Subject, Target
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.clock import Clock
    from support.command import Said

    from winter_sync.core.products import Product

STACKS = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)


def listed(
    catalog: Catalog,
    products: Sequence[Product],
    *,
    program: str = PROGRAM,
    gone: Sequence[Product] = (),
) -> None:
    """Record a poll that listed these, and did not list those any more."""
    subject = Subject(program, Instrument.WINTER, ImageType.STACK)
    catalog.listings.record_poll(
        Poll(Query(subject, NOON.date()), sweep=False, listed=len(products)),
        listed=[(row(entry, program=program), path_of(entry)) for entry in products],
        withdrawn=gone,
    )


def night_after(number: int, nights: int) -> Product:
    """Return a product of a later night."""
    return product(number, night=product().night.plus(nights))


# --- a few numbers -------------------------------------------------------------------------------


def test_nothing_is_known_of_an_empty_catalog(catalog: Catalog) -> None:
    """There are no products in it, and no nights."""
    summary = catalog.views.summary([PROGRAM])
    assert (summary.published, summary.wanted, summary.withdrawn) == (0, 0, 0)
    assert summary.last_night is summary.last_complete_night is None


def test_each_product_counts_once(catalog: Catalog) -> None:
    """By what it is: here, wanted, missing, claimed or withdrawn."""
    products = [product(number) for number in range(10)]
    listed(catalog, products)
    taken = catalog.queue.claim([candidate(entry) for entry in products[:6]], "session")
    here = Published(taken[0], evidence(products[0], b"x"))
    catalog.outcomes.commit([here, Missing(taken[1]), Missing(taken[2])], lambda *_: timedelta())
    listed(catalog, products[:7], gone=products[7:9])
    summary = catalog.views.summary([PROGRAM])
    assert summary.published == 1
    assert summary.missing == 2
    assert summary.claimed == 3
    assert summary.withdrawn == 2
    assert summary.wanted == 2


@pytest.mark.parametrize(("programs", "wanted"), [((PROGRAM, "2024B000"), 3), ((PROGRAM,), 2)])
def test_only_what_the_programs_list_is_to_come(
    catalog: Catalog, programs: tuple[str, ...], wanted: int
) -> None:
    """What a program lists that is mirrored no more is not waited for."""
    listed(catalog, [product(0), product(1)])
    listed(catalog, [product(1), night_after(2, 1)], program="2024B000")
    summary = catalog.views.summary(programs)
    assert summary.wanted == wanted


def test_a_night_is_complete_when_all_listed_of_it_is_here(catalog: Catalog) -> None:
    """It may be nights before the last one listed; what is missing is not here."""
    nights = [night_after(number, number) for number in range(4)]
    listed(catalog, nights)
    taken = catalog.queue.claim([candidate(night) for night in nights], "session")
    catalog.outcomes.commit(
        [Published(taken[0], evidence(nights[0], b"x")), Missing(taken[1])], lambda *_: timedelta()
    )
    catalog.queue.release([taken[2]])
    summary = catalog.views.summary([PROGRAM])
    assert summary.last_night == nights[3].night
    assert summary.last_complete_night == nights[0].night


def test_what_succeeded_last_is_known_by_subject(catalog: Catalog, clock: Clock) -> None:
    """A poll that failed later does not count, and one of another region is another's."""
    target = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK, Target("SN2024wex"))
    never = Subject(PROGRAM, Instrument.SPRING, ImageType.STACK)
    listed(catalog, [product()])
    clock.time += timedelta(hours=1)
    catalog.listings.record_poll(Poll(Query(target, NOON.date()), sweep=False))
    clock.time += timedelta(hours=1)
    catalog.listings.record_poll(Poll(Query(STACKS, NOON.date()), sweep=True, error="it broke"))
    assert catalog.polls.last_successes([STACKS, target, never]) == {
        STACKS: NOON,
        target: NOON + timedelta(hours=1),
    }


# --- a catalog that is only looked at ------------------------------------------------------------


def test_what_another_writes_is_seen_and_nothing_can_be_written(
    catalog: Catalog, path: Path, clock: Clock
) -> None:
    """Beside a writer each look shows what is there then; a write is refused."""
    with closing(Catalog(path, clock, reading=True)) as reader:
        for number in (1, 2):
            listed(catalog, [product(index) for index in range(number)])
            assert reader.views.summary([PROGRAM]).wanted == number
        with pytest.raises(StorageError):
            listed(reader, [product(9)])
        assert catalog.views.summary([PROGRAM]).wanted == 2


def test_an_earlier_edition_is_not_changed_by_looking(path: Path, clock: Clock) -> None:
    """Only who may write brings it up to date; a reader is shown what to do."""
    with closing(Database(path)) as db:
        migrations.apply(db, stop_before="index_what_is_watched")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="earlier winter-sync") as refused:
        Catalog(path, clock, reading=True)
    assert "up to date" in refused.value.remedy
    assert path.read_bytes() == before


def test_what_was_written_while_it_was_read_does_not_count(path: Path, clock: Clock) -> None:
    """Where SQLite cannot watch over a file that is read, a change of it shows afterwards."""
    Catalog(path, clock).close()
    reader = connect(path, patience=1)
    reader.connection.close()
    watched = type(reader)(reader.connection, path, version=_version_of(path))
    watched.check()
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE another (x)")
    with pytest.raises(StorageError, match="written while it was read"):
        watched.check()


def _version_of(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# --- the command, for a user who may not write ----------------------------------------------------


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a mirror that was synced."""
    home = tmp_path_factory.mktemp("synced")
    with served() as archive:
        settings = settings_file(home, api={"base_url": archive.url})
        assert run("--config", settings, "sync", home=home).code == ExitCode.DONE
    return home


@pytest.fixture
def home(synced: Path, tmp_path: Path) -> Path:
    """Return a copy of that, and settings for it."""
    shutil.copytree(synced / "winter", tmp_path / "winter")
    settings_file(tmp_path)
    return tmp_path


@contextmanager
def locked(directory: Path) -> Iterator[Path]:
    """Let nobody write a directory and what is in it, who heeds permissions."""
    paths = [directory, *directory.iterdir()]
    modes = [path.stat().st_mode for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode & 0o555)
    yield directory
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode)


def look(home: Path) -> Said:
    """Look at a mirror as somebody who heeds permissions."""
    return run("--config", home / "settings.toml", "status", "--json", home=home, unprivileged=True)


def test_who_may_only_read_can_look(home: Path) -> None:
    """The status of an idle mirror is shown, and not a file is made or changed."""
    with locked(home / "winter" / STATE_DIR) as state:
        before = {path.name: path.stat().st_mtime_ns for path in state.iterdir()}
        said = look(home)
        assert {path.name: path.stat().st_mtime_ns for path in state.iterdir()} == before
    assert (said.code, said.err) == (ExitCode.DONE, "")
    assert json.loads(said.out)["latest_night_with_data"] == "20251023"


def test_who_may_only_read_can_look_while_others_write(home: Path, clock: Clock) -> None:
    """Beside a writer what it wrote last is seen, though it is not in the file itself yet."""
    state = home / "winter" / STATE_DIR
    with closing(Catalog(state / "catalog.sqlite3", clock)) as catalog:
        listed(catalog, [night_after(0, 10_000)])
        with locked(state):
            said = look(home)
    assert (said.code, said.err) == (ExitCode.DONE, "")
    assert json.loads(said.out)["latest_night_with_data"] == night_after(0, 10_000).night.name


WRITER = """
import os, sqlite3, sys
catalog = sqlite3.connect(sys.argv[1])
catalog.execute("PRAGMA journal_mode=WAL")
catalog.execute("UPDATE products SET listed_ms = 1")
catalog.commit()
os._exit(9)
"""


def test_what_a_killed_writer_left_is_read(home: Path) -> None:
    """The last commits of a writer that was killed are seen, too."""
    state = home / "winter" / STATE_DIR
    _write_and_die(state)
    with locked(state):
        said = look(home)
    assert (said.code, said.err) == (ExitCode.DONE, "")


def test_what_cannot_be_read_is_explained(home: Path) -> None:
    """Where SQLite would have to write first, the user is shown who can help."""
    state = home / "winter" / STATE_DIR
    _write_and_die(state)
    (state / "catalog.sqlite3-shm").unlink()
    with locked(state):
        said = look(home)
    assert said.code == ExitCode.STORAGE
    assert "cannot be read by this user" in said.err
    assert "`winter-sync status` once" in said.err
    assert run("--config", home / "settings.toml", "status", home=home).code == ExitCode.DONE
    with locked(state):
        assert look(home).code == ExitCode.DONE


def _write_and_die(state: Path) -> None:
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", WRITER, state / "catalog.sqlite3"], check=False
    )
    assert ended.returncode == 9
    assert (state / "catalog.sqlite3-wal").stat().st_size


def test_a_database_that_others_open_and_close_may_still_be_written(tmp_path: Path) -> None:
    """What SQLite keeps beside it comes and goes meanwhile: that is not a lack of permission."""
    path = tmp_path / "catalog.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (a)")
    others = [sys.executable, "-c", OPEN_AND_CLOSE, str(path)]
    with subprocess.Popen(others, stdout=subprocess.PIPE) as busy:  # noqa: S603 - our own code
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"begun\n"
        try:
            answers = [may_write(path) for _ in range(20_000)]
        finally:
            busy.kill()
    assert all(answers)


OPEN_AND_CLOSE = """
import sqlite3, sys
print("begun", flush=True)
while True:
    other = sqlite3.connect(sys.argv[1])
    other.execute("INSERT INTO t VALUES (1)")
    other.close()
"""
"""A program that opens, writes and closes a database, again and again."""
