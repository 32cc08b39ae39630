"""A catalog that an earlier version made is opened with all it knows, and carried on.

`editions/edition_N.sql` are dumps of catalogs that the program itself made when it had the given
number of editions (`sqlite3 catalog.sqlite3 .dump`): a product is published twice, one is missing,
one failed, one was withdrawn, one is claimed by a session that was killed, one is wanted, and one
is listed by another program for a target alone; the last poll failed.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.makers import NIGHT, PROGRAM, evidence, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import editions, migrations
from winter_sync.catalog.records import Poll, ProgramSummary, Scope
from winter_sync.core.downloads import Published
from winter_sync.core.products import State
from winter_sync.core.queries import Query, Subject, Target
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument

if TYPE_CHECKING:
    from support.clock import Clock

EDITIONS = sorted(Path(__file__).with_name("editions").glob("edition_*.sql"))
OTHER = "2024B000"
BOTH = Scope((PROGRAM, OTHER))
ALL = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)
TARGET = Subject(OTHER, Instrument.WINTER, ImageType.STACK, Target("M31"))


@pytest.fixture(params=EDITIONS, ids=[path.stem for path in EDITIONS])
def old(request: pytest.FixtureRequest, path: Path) -> Path:
    """Return a catalog of an earlier edition."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(request.param.read_text())
    return path


def test_an_older_catalog_keeps_all_it_knows(old: Path, clock: Clock) -> None:
    """States, contents, listings, polls and the name of the mirror are as they were."""
    clock.advance(hours=12)
    for _ in range(2):
        with closing(Catalog(old, clock)) as catalog:
            known = catalog.listings.known([product(number).identity for number in range(6)])
            states = {found.product.savepath: found.state for found in known}
            held = catalog.files.held(BOTH, NIGHT)
            assert catalog.mirror_name() == "mirror"
            assert [states[product(number).savepath] for number in range(6)] == [
                State.PUBLISHED,
                State.MISSING,
                State.WANTED,
                State.PUBLISHED,
                State.WANTED,
                State.WANTED,
            ]
            assert [found.product for found in known if found.withdrawn] == [product(3)]
            assert [(file.product, file.size) for file in held] == [
                (product(0), 3),
                (product(3), 5),
            ]
            assert catalog.files.known_kept(["kept/one.fits"]) == {"kept/one.fits"}
            assert catalog.queue.claimants() == ["killed"]
            assert catalog.polls.last_sweep(ALL) is not None
            assert set(catalog.polls.last_successes([ALL, TARGET])) == {ALL, TARGET}
            (trouble, missing) = sorted(
                catalog.views.troubles(BOTH, 9), key=lambda trouble: trouble.product.savepath
            )[::-1]
            assert (trouble.product, trouble.last_error) == (product(2), "the connection broke")
            assert (missing.product, missing.state) == (product(1), State.MISSING)
            assert catalog.views.summary(BOTH.programs) == ProgramSummary(
                published=1,
                wanted=3,
                missing=1,
                claimed=1,
                withdrawn=1,
                last_night=NIGHT,
                last_complete_night=None,
            )


def test_an_older_catalog_is_carried_on(old: Path, clock: Clock) -> None:
    """Its queue is fetched, polls are recorded and files are checked as in a new catalog."""
    clock.advance(hours=12)
    with closing(Catalog(old, clock)) as catalog:
        assert catalog.queue.release_sessions([]) == 1
        chosen = catalog.queue.candidates(BOTH, FETCH_ORDER, 9)
        assert {candidate.product for candidate in chosen} == {
            product(number) for number in (1, 2, 4, 5, 9)
        }
        taken = catalog.queue.claim(chosen, "session")
        catalog.outcomes.commit(
            [Published(candidate, evidence(candidate.product, b"new")) for candidate in taken],
            lambda *_: timedelta(),
        )
        asked = Query(ALL, NIGHT.day)
        listed = [(row(product(number)), path_of(product(number))) for number in (3, 6)]
        assert not catalog.listings.record_poll(Poll(asked, sweep=False), listed=listed).left_out
        assert [share.products for share in catalog.queue.wanted(BOTH)] == [1]
        run = catalog.checks.begin("all", timedelta(days=1))
        after = ("", "")
        assert len(catalog.files.to_check(BOTH, "9999-01-01T00:00:00+00:00", after, 99)) == 7
        catalog.checks.finish(run)
        assert catalog.views.summary(BOTH.programs).withdrawn == 0


def test_an_older_catalog_has_the_tables_indexes_and_views_of_a_new_one(
    old: Path, tmp_path: Path, clock: Clock
) -> None:
    """Bringing an old catalog up to date and making a new one come to the same schema."""

    def schema(path: Path) -> dict[str, set[str]]:
        with closing(Catalog(path, clock)) as catalog:
            names = catalog.connection.rows("SELECT type, name FROM sqlite_master")
            tables = [row["name"] for row in names if row["type"] == "table"]
            columns = {
                table: {
                    f"{column['name']} {column['type']} {column['notnull']}"
                    for column in catalog.connection.rows(f"PRAGMA table_info({table})")
                }
                for table in tables
            }
            others = {
                kind: {row["name"] for row in names if row["type"] == kind}
                for kind in ("index", "view")
            }
            assert others["view"]
            return {**columns, **others}

    assert schema(old) == schema(tmp_path / "new.sqlite3")


def test_the_editions_are_those_that_a_new_catalog_records(path: Path, clock: Clock) -> None:
    """What counts as written by this program or an earlier one is derived from the migrations."""
    with closing(Catalog(path, clock)) as catalog:
        applied = migrations.applied(catalog.connection.sqlite)
    assert set(applied) == editions()
    assert len(applied) == len(editions()) >= int(EDITIONS[-1].stem.rpartition("_")[2])
