"""The work of the hot paths, counted: a small file, its facts, a large one, a known row, a poll.

PYTHONPATH=tests python -m support.hot_path          prints what each costs now
PYTHONPATH=tests python -m support.hot_path --write  makes that the figures of the check
"""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from support.counting_work import Counting, Work
from support.download_rig import DownloadRig, download_rig
from support.lister import STACKS
from support.makers import batch, candidate, fits, product, zipped

from winter_sync.core.concurrency import run_in_thread
from winter_sync.core.queries import Selection
from winter_sync.formats import read_facts
from winter_sync.maintenance.facts_messages import (
    Read,
    read_answer,
    read_request,
    write_answer,
    write_request,
)
from winter_sync.sync.receiver import Receiver

if TYPE_CHECKING:
    from winter_sync.catalog import Facts
    from winter_sync.core.downloads import Batch

FIGURES = Path(__file__).parents[1] / "sync" / "work.toml"
SELECTION = Selection(STACKS.program, (STACKS.image_type,))
FEW, MANY = 20, 80
BLOCK = 256 * 1024
BLOCK_OF_FITS = 2880
LARGE = 1456
"""Blocks of FITS: 4 MB."""
MORE = 1.1
"""A figure may be this many times what it was, ..."""
SLACK = 0.5
"""... and half a call or statement more than that."""
VERSIONS = f"Python {platform.python_version_tuple()[1]}, SQLite {sqlite3.sqlite_version}"
"""What the number of calls, and of steps of the database, depends on."""

_VARYING = ("calls", "database steps")

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Synced:
    """A sync of new files, one when all are known, and what their headers say."""

    new: Work
    known: Work
    facts: Work


async def measure() -> Figures:
    """Return what each costs: per file, per MB, per row, and a poll of one row.

    What only the first of them costs, such as compiling methods, is not counted.
    """
    await _synced(FEW)
    await _received(1)
    few, many = [await _synced(count) for count in (FEW, MANY)]
    one, four = [await _received(count) for count in (1, 4)]
    return {
        "a file of 6 kB": _each(few.new, many.new, MANY - FEW),
        "a known row": _each(few.known, many.known, MANY - FEW),
        "a poll of 20 known rows": dict(few.known.figures()),
        "a file of 4 MB": _each(one, four, 3),
        "the facts of a file of 6 kB": _each(few.facts, many.facts, MANY - FEW),
    }


def _each(fewer: Work, more: Work, count: int) -> dict[str, float]:
    before, after = fewer.figures(), more.figures()
    return {name: (after[name] - before[name]) / count for name in after}


async def _synced(count: int) -> Synced:
    """Sync this many small files, and again half an hour later."""
    counting = Counting()
    with counting.installed(), tempfile.TemporaryDirectory() as directory:
        async with download_rig(Path(directory)) as rig:
            await rig.polling.catalog(lambda catalog: counting.watch(catalog.connection.sqlite))
            rig.send_all()
            rig.lister.add(*(product(number) for number in range(count)))
            mirror = rig.mirror(SELECTION, connections=1)
            with counting.counted() as new:
                await mirror.sync()
            assert len(rig.files()) == count
            rig.polling.clock.advance(hours=0.5)
            with counting.counted() as known:
                await mirror.sync()
            with counting.counted() as facts:
                await rig.polling.catalog.facts(_take_facts, rig.tree.root)
            return Synced(new, known, facts)


def _take_facts(catalog: Facts, root: Path) -> None:
    """Read the headers of all files and record what they say, as two processes do together."""
    due = catalog.due(MANY)
    read = []
    for asked in read_request(write_request(due)):
        with (root / asked.path).open("rb") as file:
            read.append(read_answer(write_answer(Read(read_facts(file, asked.product)))))
    assert len(read) == catalog.record(zip(due, (said.facts for said in read if said), strict=True))


async def _received(count: int) -> Work:
    """Receive one answer with this many files of 4 MB, in blocks of one size."""
    counting = Counting()
    contents = [_large(number) for number in range(count)]
    products = [product(number) for number in range(count)]
    named = [(each.filename, data) for each, data in zip(products, contents, strict=True)]
    body = zipped(named, deflate=True)
    asked = batch(*(candidate(each, size=len(contents[0])) for each in products))
    with counting.installed(), tempfile.TemporaryDirectory() as directory:
        async with download_rig(Path(directory)) as rig:
            with counting.counted() as work:
                await run_in_thread(rig.threads, _receive, rig, asked, body)
            assert len(rig.files()) == count
    return work


def _large(number: int) -> bytes:
    """Return a FITS file of noise, which deflate cannot make smaller."""
    header = fits(blocks=LARGE)[:BLOCK_OF_FITS]
    return header + Random(number).randbytes(LARGE * BLOCK_OF_FITS)  # noqa: S311 - no secret


def _receive(rig: DownloadRig, asked: Batch, body: bytes) -> None:
    with Receiver(asked, rig.session, keep=True) as receiver:
        for at in range(0, len(body), BLOCK):
            receiver.feed(body[at : at + BLOCK])
        receiver.finish()


def grown(before: Figures, now: Figures) -> list[str]:
    """Return a line for each figure that grew by more than it may, and by how much."""
    return [
        f"{path}: {name} grew from {was:g} to {now[path][name]:g}"
        + (f" ({now[path][name] / was - 1:+.0%})" if was else "")
        for path, counts in before.items()
        for name, was in counts.items()
        if now[path][name] > MORE * was + SLACK
    ]


def kept() -> Figures:
    """Return the figures that are kept; without those that other versions change."""
    figures = tomllib.loads(FIGURES.read_text())
    is_comparable = figures.pop("versions") == VERSIONS
    return {
        path: {name: was for name, was in counts.items() if is_comparable or name not in _VARYING}
        for path, counts in figures.items()
    }


def as_toml(figures: Figures) -> str:
    """Return figures as they are kept."""
    lines = [
        "# What the hot paths cost, counted by tests/support/hot_path.py, which also writes this.",
        "# The check fails when one grows by more than a tenth; write it anew when one shrinks.",
        f'versions = "{VERSIONS}"',
    ]
    for path, counts in figures.items():
        lines += ["", f'["{path}"]']
        lines += [f'"{name}" = {round(count, 2)}' for name, count in counts.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = as_toml(asyncio.run(measure()))
    if "--write" in sys.argv:
        FIGURES.write_text(text)
    sys.stdout.write(text)
