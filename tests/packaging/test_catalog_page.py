"""The page on the catalog: each of its queries answers, and its views are those of the catalog."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.command import KEYS, OTHER_PROGRAM, PROGRAM, run, served, settings_file

from winter_sync.catalog import Catalog
from winter_sync.catalog.schema_views import VIEWS
from winter_sync.core import CATALOG, STATE_DIR, ImageType

PAGE = (Path(__file__).parent.parent.parent / "docs" / "catalog.md").read_text()
QUESTIONS = re.findall(r"### (.+?)\n.*?```sql\n(.+?)```\n+```text\n(.+?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with settings and a mirror in whose life something of everything happened.

    A night was downloaded, reprocessed and downloaded again; a stack was not to be had, one was
    withdrawn, one was deleted here by hand; one program's credentials were refused.
    """
    home = tmp_path_factory.mktemp("home")
    mine: dict[str, Any] = {"image_types": ["exposure", "stack", "diff", "avro"]}
    refused: dict[str, Any] = {
        "name": OTHER_PROGRAM,
        "api_key": KEYS[OTHER_PROGRAM],
        "image_types": ["stack"],
    }
    with served() as archive:
        changes: dict[str, Any] = {"api": {"base_url": archive.url}, "facts": {"enabled": True}}
        observatory = archive.observatory
        stacks = {
            product.filename: product
            for product in observatory.products()
            if product.image_type is ImageType.STACK
            and observatory.entry(*product.identity).readable_by(PROGRAM)
        }
        missing, withdrawn, deleted, *_ = stacks
        observatory.remove_file(stacks[missing])
        settings = settings_file(home, programs=[mine, refused], **changes)
        assert run("--config", settings, "sync", home=home).code != 0
        observatory.reprocess(stacks[missing].night)
        observatory.withdraw(stacks[withdrawn])
        settings = settings_file(home, programs=[mine], **changes)
        assert run("--config", settings, "sync", home=home).code == 0
    next((home / "winter").rglob(deleted)).unlink()
    assert run("--config", settings, "verify", "--quick", home=home).code != 0
    return home


@pytest.fixture(scope="module")
def catalog(home: Path) -> Path:
    """Return the catalog of that mirror."""
    return home / "winter" / STATE_DIR / CATALOG


def test_the_page_asks_about_every_view() -> None:
    """Each view has a question of its own, and there are no fewer than twelve."""
    asked = " ".join(query for _, query, _ in QUESTIONS)
    assert {view for view in VIEWS if re.search(rf"\b{view}\b", asked)} == set(VIEWS)
    assert len(QUESTIONS) >= 12
    assert len(QUESTIONS) == PAGE.count("```sql")


@pytest.mark.parametrize(
    ("query", "shown"), [(q, s) for _, q, s in QUESTIONS], ids=[name for name, _, _ in QUESTIONS]
)
def test_a_query_of_the_page_answers(catalog: Path, query: str, shown: str) -> None:
    """Its answer has the columns that the page shows, and is not empty."""
    with closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as db:
        found = db.execute(query)
        columns = [column[0] for column in found.description]
        rows = found.fetchall()
    assert columns == shown.splitlines()[0].split()
    assert len(shown.splitlines()) > 2
    assert rows
    for place, column in enumerate(columns):
        if column != "settled_utc":
            assert any(row[place] is not None for row in rows), column


def test_the_page_lists_the_views_and_all_their_columns(catalog: Path) -> None:
    """A view or column that is not on the page is none that anybody may rely on, and vice versa."""
    listed = {
        name: re.findall(r"`(\w+)`", columns)
        for name, columns in re.findall(r"^\| `(\w+)` \|.*\| (`.+`) \|$", PAGE, re.MULTILINE)
    }
    views = subprocess.run(  # noqa: S603 - sqlite-utils, which comes with the project
        [sys.executable, "-m", "sqlite_utils", "views", catalog, "--columns"],
        capture_output=True,
        check=True,
    )
    assert listed == {view["view"]: view["columns"] for view in json.loads(views.stdout)}


def test_the_tables_of_the_page_exist(catalog: Path) -> None:
    """And are tables of the catalog."""
    _, _, section = PAGE.partition("## The tables")
    listed = set(re.findall(r"^- `(\w+)`", section, re.MULTILINE))
    with closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    assert listed
    assert listed <= tables


def test_the_view_of_products_says_what_list_says(home: Path, catalog: Path) -> None:
    """State, filter, start, programs and whether the file is here are those of `list`."""
    said = run("--config", home / "settings.toml", "list", "--format", "json", home=home)
    listed = {
        (
            row["savepath"].rpartition("/")[2],
            row["state"],
            row["filter"],
            row["started_at"],
            row["programs"],
            row["path"] is not None,
        )
        for row in json.loads(said.out)
    }
    asked = "SELECT path, state, filter, started_utc, programs, is_here FROM products_listed"
    with closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as db:
        viewed = {
            (Path(path).name, state, name, started.removesuffix("+00:00"), programs, bool(here))
            for path, state, name, started, programs, here in db.execute(asked)
        }
    assert {state for _, state, *_ in viewed} == {"downloaded", "damaged", "missing", "withdrawn"}
    assert viewed == listed


def test_the_ways_to_open_the_catalog_are_as_described(catalog: Path, tmp_path: Path) -> None:
    """Read-only is right beside a writer, immutable is not, a copy by VACUUM INTO is whole."""
    mirror = shutil.copytree(catalog.parent, tmp_path / "state") / catalog.name
    copy = tmp_path / "copy.sqlite3"

    def count(how: str, path: Path = mirror) -> int:
        with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as db:
            found: int = db.execute("SELECT count(*) FROM what_is_missing").fetchone()[0]
            return found

    before = count("mode=ro")
    with closing(Catalog(mirror, lambda: datetime.now(UTC))) as writer:
        writer.connection.db.execute(
            "UPDATE products SET state = 'wanted', withdrawn_at = NULL, damage = NULL"
        )
        assert count("mode=ro") > before
        assert count("mode=ro&immutable=1") == before
        with closing(sqlite3.connect(f"{mirror.as_uri()}?mode=rw", uri=True)) as db:
            # Not read-only: SQLite cannot copy generated columns then.
            db.execute("VACUUM INTO ?", [str(copy)])
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            _write_through(mirror)
    assert count("immutable=1", copy) > before


def _write_through(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        db.execute("DELETE FROM polls")
