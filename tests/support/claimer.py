"""A process at a catalog; run as a script by the tests of the catalog.

`claimer.py PATH claim SESSION` claims a few products at a time, until there are none, and tells
which. `claimer.py PATH open NAME` opens the catalog and binds it to a mirror. `claimer.py PATH
record SESSION` claims, commits a publication and is killed. All begin when they are given a line.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.makers import PROGRAM, evidence

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Scope
from winter_sync.core.downloads import Published
from winter_sync.core.traits import ImageType


def now() -> datetime:
    """Return a fixed time."""
    return datetime(2024, 2, 1, tzinfo=UTC)


def claim(catalog: Catalog, session: str) -> None:
    """Claim all products that can be claimed, a few at a time."""
    while chosen := catalog.queue.candidates(Scope((PROGRAM,)), tuple(ImageType), 8):
        for taken in catalog.queue.claim(chosen, session):
            sys.stdout.write(taken.product.savepath + "\n")


def record(catalog: Catalog, session: str) -> None:
    """Commit a publication; the rest of this process is silence."""
    chosen = catalog.queue.candidates(Scope((PROGRAM,)), tuple(ImageType), 1)
    (taken,) = catalog.queue.claim(chosen, session)
    outcome = Published(taken, evidence(taken.product, b"content"))
    catalog.outcomes.commit([outcome], lambda _attempts, _outcome: timedelta(0))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    path, what, name = sys.argv[1:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    opened = Catalog(Path(path), now)
    match what:
        case "claim":
            claim(opened, name)
        case "open":
            opened.take_mirror_name(name)
            sys.stdout.write(f"{opened.mirror_name()}\n")
        case "record":
            record(opened, name)
