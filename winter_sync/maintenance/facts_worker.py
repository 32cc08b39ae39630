"""The process that reads headers and alerts: `python -m` this module, with the root of the tree.

astropy lives here and in no process that downloads, from the first image on that needs it. Requests
come on standard input, and their answers go to standard output. It ends when its input does, so
also when whoever started it is gone, and when one file takes it too long: that is the kernel's
alarm, which no library can hold up.
"""

from __future__ import annotations

import gc
import os
import signal
import stat
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import (
    FileFormat,
    TreeFiles,
    alarm_held,
    closing_descriptor,
    take_second_place,
)
from winter_sync.formats import (
    AstropyMissingError,
    facts_without_file,
    read_facts,
)
from winter_sync.maintenance.facts_messages import (
    NO_ASTROPY,
    READY,
    Asked,
    Read,
    read_request,
    write_answer,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core import Product

_MOST_ALERTS = 10_000
"""Alerts of one file that the mirror holds in memory; a difference image has some hundreds."""
_MADE_BY_ASTROPY = 200_000
"""Objects that it makes when it is loaded, and that stay: they are not looked through for cycles
again and again meanwhile."""
_LONG = 1.0
"""Seconds that answers may wait for others, with which they cost less."""


def main(root: str, follow_links: str, patience: str) -> None:
    """Answer requests until there are no more.

    Parameters
    ----------
    root
        The top of the tree.
    follow_links
        "1" if directories of the tree may be links, otherwise "0".
    patience
        After how many seconds with one file to end.
    """
    take_second_place()
    gc.set_threshold(_MADE_BY_ASTROPY)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        with TreeFiles(Path(root), follow_links=follow_links == "1") as files:
            for line in sys.stdin.buffer:
                _answer(read_request(line), files, float(patience))
    except AstropyMissingError:
        sys.exit(NO_ASTROPY)


def _answer(some: Iterable[Asked], files: TreeFiles, patience: float) -> None:
    """Answer for each file, without delay where they take long: whoever asked has no patience."""
    flushed = time.monotonic()
    for asked in some:
        signal.setitimer(signal.ITIMER_REAL, patience)
        sys.stdout.buffer.write(_answer_to(asked, files))
        if time.monotonic() - flushed > _LONG:
            sys.stdout.buffer.flush()
            flushed = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.buffer.flush()


def _answer_to(asked: Asked, files: TreeFiles) -> bytes:
    try:
        with closing_descriptor(files.open(asked.path)) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return write_answer(None)
            return write_answer(_read(descriptor, asked.product))
    except OSError:
        return write_answer(None)
    except Exception:  # noqa: BLE001 - an odd file costs its own facts, and no other's
        return write_answer(Read(facts_without_file(asked.product, "it cannot be read")))


def _read(descriptor: int, product: Product) -> Read:
    if product.image_type.traits.file_format is FileFormat.FITS:
        return Read(read_facts(descriptor, product))
    with alarm_held():
        from winter_sync.formats import read_alerts  # noqa: PLC0415 - fastavro, where alerts are

    file = read_alerts(descriptor, product.filename)
    if len(file.alerts) <= _MOST_ALERTS:
        return Read(file.facts, file.alerts)
    note = f"only the first {_MOST_ALERTS} of {len(file.alerts)} alerts are indexed"
    return Read(replace(file.facts, note=note), file.alerts[:_MOST_ALERTS])


if __name__ == "__main__":
    main(*sys.argv[1:])
