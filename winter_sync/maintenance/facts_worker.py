"""The process that reads headers and alerts: `python -m` this module, with the root of the tree.

astropy lives here and in no process that downloads. A request a line comes on standard input, and
an answer a line goes to standard output. It ends when its input does, so also when whoever
started it is gone, and when one file takes it too long: that is the kernel's alarm, which no
library can hold up.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import FileFormat, TreeFiles, closing_descriptor, take_second_place
from winter_sync.formats import facts_without_file, read_alerts, read_facts
from winter_sync.maintenance.facts_messages import READY, Asked, Read, read_request, write_answer

if TYPE_CHECKING:
    from winter_sync.core import Product

_MOST_ALERTS = 10_000
"""Alerts of one file that the mirror holds in memory; a difference image has some hundreds."""


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
    for name in ("astropy.io.fits", "astropy.wcs"):
        import_module(name)
    _answer(READY)
    with TreeFiles(Path(root), follow_links=follow_links == "1") as files:
        for line in sys.stdin.buffer:
            signal.setitimer(signal.ITIMER_REAL, float(patience))
            _answer(_answer_to(read_request(line), files))
            signal.setitimer(signal.ITIMER_REAL, 0)


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
    file = read_alerts(descriptor, product.filename)
    if len(file.alerts) <= _MOST_ALERTS:
        return Read(file.facts, file.alerts)
    note = f"only the first {_MOST_ALERTS} of {len(file.alerts)} alerts are indexed"
    return Read(replace(file.facts, note=note), file.alerts[:_MOST_ALERTS])


def _answer(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
