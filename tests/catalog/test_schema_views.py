"""The views of the catalog: there in every catalog, in the way of no migration, never slow."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import DIFF, STACK, candidates, poll, publish, query
from support.makers import PROGRAM, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import bring_up_to_date, is_up_to_date
from winter_sync.catalog.migration import MigrationList
from winter_sync.catalog.night_records import NightOf
from winter_sync.catalog.records import Poll
from winter_sync.catalog.schema_views import VIEWS
from winter_sync.catalog.values import format_instant
from winter_sync.core import Facts, ImageType
from winter_sync.core.downloads import Missing

if TYPE_CHECKING:
    from pathlib import Path

    from support.clock import Clock

    from winter_sync.catalog.sqlite import Database


def views_of(catalog: Catalog) -> dict[str, str]:
    """Return the views of a catalog, and how they were made."""
    rows = catalog.connection.rows("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    return {row["name"]: row["sql"] for row in rows}


def test_views_that_were_changed_or_dropped_are_made_again(path: Path, clock: Clock) -> None:
    """Whatever became of them, opening a catalog for writing makes them as they should be."""
    with closing(Catalog(path, clock)) as catalog:
        made = views_of(catalog)
    assert set(made) == set(VIEWS)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP VIEW nights")
        other.execute("DROP VIEW downloads")
        other.execute("CREATE VIEW downloads AS SELECT 1 AS one")
    with closing(Catalog(path, clock)) as catalog:
        assert views_of(catalog) == made
        assert is_up_to_date(catalog.connection.db)


def test_a_later_migration_may_change_any_table(catalog: Catalog) -> None:
    """Rebuild, rename, add, drop: what SQLite refuses while a view uses a table, and what not."""
    poll(catalog, [STACK, DIFF])
    later = MigrationList("winter-sync")

    @later()
    def change_tables(db: Database) -> None:
        for statement in (
            "ALTER TABLE polls RENAME COLUMN error TO reason",
            "ALTER TABLE polls RENAME COLUMN reason TO error",
            "ALTER TABLE alerts ADD COLUMN more TEXT",
            "ALTER TABLE alerts DROP COLUMN more",
            "CREATE TABLE built AS SELECT * FROM polls",
            "DROP TABLE polls",
            "ALTER TABLE built RENAME TO polls",
        ):
            db.execute(statement)

    made = views_of(catalog)
    with catalog.connection.writing():
        bring_up_to_date(catalog.connection.db, later)
    assert views_of(catalog) == made
    assert catalog.connection.rows("SELECT count(*) AS n FROM products_listed") == [{"n": 2}]
    assert catalog.connection.rows("SELECT count(*) AS n FROM polls_failed") == [{"n": 0}]


def test_a_night_is_settled_until_something_of_it_changes(catalog: Catalog, clock: Clock) -> None:
    """Since when is shown for each kind, and no more after a change that nobody noticed yet."""
    poll(catalog, [STACK, DIFF])
    which = NightOf(PROGRAM, STACK.night)
    catalog.settling.notice_changes()
    catalog.settling.expect_manifest(which)
    record = catalog.nights.record_of(which, [])
    assert catalog.settling.record_manifest(record, settled_at=clock(), content="", event=None)
    asked = "SELECT program, image_type, settled_utc FROM nights_of_programs ORDER BY image_type"
    assert catalog.connection.rows(asked) == [
        {"program": PROGRAM, "image_type": kind, "settled_utc": format_instant(clock())}
        for kind in ("diff", "stack")
    ]
    poll(catalog, [product(7)])
    assert {row["settled_utc"] for row in catalog.connection.rows(asked)} == {None}


def test_a_target_is_that_of_the_header_where_none_is_listed(catalog: Catalog) -> None:
    """It is shown and found, in upper or lower case; where one is listed, that one counts."""
    rows = [
        (replace(row(STACK), target=None), path_of(STACK)),
        (replace(row(DIFF), target="M33"), path_of(DIFF)),
    ]
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=rows)
    for content in (b"one", b"two"):
        for each in (STACK, DIFF):
            publish(catalog, each, content)
        due = catalog.facts.due(9)
        assert catalog.facts.record([(held, Facts(target="M31")) for held in due]) == len(due) == 2
        catalog.listings.record_poll(
            Poll(query(), sweep=False), listed=rows, wanted=[r for r, _ in rows]
        )
    for view in ("products_listed", "downloads", "what_changed"):
        for target, image_type in (("m31", "stack"), ("m33", "diff")):
            asked = f"SELECT image_type, target FROM {view} WHERE target = '{target}'"  # noqa: S608 - our own
            assert catalog.connection.rows(asked) == [
                {"image_type": image_type, "target": target.upper()}
            ]


def test_what_the_archive_does_not_keep_is_not_missing(catalog: Catalog) -> None:
    """Of a type that is never kept, what has no file is `not_kept`: nobody has to look at it."""
    science = product(1, ImageType.SCIENCE)
    poll(catalog, [STACK, science])
    found = candidates(catalog)
    catalog.outcomes.commit(
        [Missing(candidate) for candidate in catalog.queue.claim(found, "session")],
        lambda *_: timedelta(hours=1),
    )
    counts = catalog.connection.rows("SELECT image_type, missing, not_kept FROM nights")
    assert sorted(tuple(row.values()) for row in counts) == [("science", 0, 1), ("stack", 1, 0)]
    (missing,) = catalog.connection.rows("SELECT * FROM what_is_missing")
    assert (missing["state"], missing["why"]) == ("missing", "the archive has no file of it now")


NIGHT, TARGET = "night = '20240211'", "target = 'M31'"
ASKED = [
    *((view, NIGHT) for view in VIEWS if view != "polls_failed"),
    *(
        (view, TARGET)
        for view, query in VIEWS.items()
        if re.search(r"(AS |f\.)target,", query.partition("FROM")[0])
    ),
    ("alerts_found", "object = 'WNTR24aaaaa'"),
    ("alerts_found", "jd > 2460350.5"),
    ("products_listed", "withdrawn_utc > ''"),
    ("products_listed", "downloaded_utc > '2024-02-12'"),
    ("downloads", "1"),
    ("what_is_missing", "1"),
    ("what_changed", "1"),
]


@pytest.mark.parametrize(("view", "condition"), ASKED)
def test_a_view_asked_about_a_night_or_a_target_reads_few_rows(
    catalog: Catalog, view: str, condition: str
) -> None:
    """Every table is searched by an index, and none is read from end to end."""
    asked = f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE {condition}"  # noqa: S608 - our own
    steps = [row["detail"] for row in catalog.connection.rows(asked)]
    assert any(step.startswith("SEARCH ") for step in steps)
    # Groups, named after the view, and the programs of a product are read when they are made.
    read = {step.split()[1] for step in steps if step.startswith("SCAN ")}
    assert read <= {view, "o"}, steps
