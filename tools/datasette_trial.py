"""Open the catalog of a mirrored simulated night in Datasette, and look at each view.

Twice: the catalog itself, while another process has it open for writing, and a copy as immutable.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from winter_sync.catalog import Catalog
from winter_sync.catalog.schema_views import VIEWS
from winter_sync.core import CATALOG, STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORT = 8767
_PATIENCE_SECONDS = 60


@contextmanager
def serving(datasette: str, *database: str | Path) -> Iterator[str]:
    """Serve a database, and return the address.

    Raises
    ------
    TimeoutError
        If Datasette does not answer.
    """
    command = [datasette, "serve", *map(str, database), "--port", str(_PORT)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - as asked
        try:
            address = f"http://127.0.0.1:{_PORT}"
            until = time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < until:
                with suppress(URLError):
                    fetch(address)
                    break
                time.sleep(0.2)
            else:
                raise TimeoutError(address)
            yield address
        finally:
            process.terminate()


def fetch(address: str) -> str:
    """Return what is at an address."""
    with urlopen(address, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - our own
        text: str = answer.read().decode()
        return text


def look(address: str, path: Path) -> None:
    """Print what Datasette shows of each view, and compare it with what SQLite answers.

    Raises
    ------
    AssertionError
        If something else is shown, or the home page does not name the database.
    """
    if path.stem not in fetch(address):
        raise AssertionError(f"{path.stem} is not on the home page")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        for view in VIEWS:
            shown = json.loads(fetch(f"{address}/{path.stem}/{view}.json?_size=3"))
            rows = db.execute(f"SELECT * FROM {view} LIMIT 3").fetchall()  # noqa: S608 - our own
            if shown["rows"] != [list(row) for row in rows]:
                raise AssertionError(f"{view}: {shown['rows']} is shown of {rows}")
            fetch(f"{address}/{path.stem}/{view}")
            print(f"{view}: {len(shown['columns'])} columns, {len(rows)} rows shown")


def main() -> None:
    """Mirror a night, and look at its catalog."""
    with TemporaryDirectory(prefix="winter-sync-datasette-") as name:
        root, copy = Path(name, "mirror"), Path(name, "copy.sqlite3")
        subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "winter_sync", "demo", "--root", root],
            env={**os.environ, "HOME": name},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        path = root / STATE_DIR / CATALOG
        with (
            closing(Catalog(path, lambda: datetime.now(UTC))),
            serving(sys.argv[1], path) as address,
        ):
            look(address, path)
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as db:
                # Not read-only: SQLite cannot copy generated columns then.
                db.execute("VACUUM INTO ?", [str(copy)])
        with serving(sys.argv[1], "--immutable", copy) as address:
            look(address, copy)


if __name__ == "__main__":
    main()
