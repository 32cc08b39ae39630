"""A long faulty life: thousands of products from an archive of which one request in five fails.

The archive is a process of its own, so that the memory that is measured is the mirror's. Waits take
no time: the clocks of both are driven. Run by scripts/soak, and shortened by the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from winter_sync.config import settings as settings_module
from winter_sync.core import ProductFinished, Retrying, ServerFailing
from winter_sync.core.clocks import Time
from winter_sync.core.downloads import Published
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.factory import open_mirror
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    Scripted,
    SimulatorOptions,
    key_of,
    parse_script,
    settled,
    simulator_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from winter_sync.config.settings import Settings
    from winter_sync.core import Event

A_NIGHT = 200
FIRST_NIGHT = Night("20251001")
ANSWERS = (
    *("500", "502", "503", "503=5", "504", "429=5", "html", "json", "broken-json", "nothing"),
    *("reset", "422"),
)
ZIPS = (
    *("reset-body", "end-early", "end-between", "end-inside", "end-directory", "garble"),
    *("flip", "size-lies", "bomb=1", "unasked", "twice", "left-out", "name-up", "name-long"),
    *("encrypted", "unknown-method", "half", "unfilled", "empty-member", "html-member"),
)
RARE = "silence:0.003@download,silence-body:0.003,401:0.001,null-row:0.02"
STEP = timedelta(minutes=10)
MOST_RUNS = 300


def script_of(share: float) -> str:
    """Write a script in which about this share of all requests, and of all downloads, fails."""
    each, of_answers = share / len(ANSWERS), share / 4
    rules = [f"{name}:{each:.5f}@query+program+ping" for name in ANSWERS]
    rules += [f"{name}:{of_answers / len(ANSWERS):.5f}@download" for name in ANSWERS]
    rules += [f"{name}:{(share - of_answers) / len(ZIPS):.5f}" for name in ZIPS]
    return ",".join([*rules, RARE])


@dataclass
class Life:
    """What the mirror lived through, and how much memory it took."""

    products: int
    published: int = 0
    waited: float = 0.0
    resident: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, event: Event) -> None:
        """Count the events; measure the memory when a quarter is done."""
        self.counts[type(event).__name__] += 1
        if isinstance(event, ProductFinished) and isinstance(event.outcome, Published):
            self.published += 1
            if self.published == self.products // 4:
                self.resident["quarter"] = resident()

    async def sleep(self, seconds: float) -> None:
        """Let time pass without waiting, but others go on."""
        self.waited += seconds
        await asyncio.sleep(0)


def resident() -> int:
    """Return the bytes of memory that this process has in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Archive:
    """The archive, in its process: its clock, what it holds, and what went wrong in it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def advance(self, step: timedelta) -> datetime:
        """Advance the clock, and return its time."""
        order = {"advance": step.total_seconds()}
        async with self._session.post(f"{self.url}/simulator/clock", json=order) as answer:
            return datetime.fromisoformat((await answer.json())["now"])

    async def truth(self) -> dict[str, str]:
        """Return the SHA-256 of every file it has, by its path in a tree."""
        async with self._session.get(f"{self.url}/simulator/manifest") as answer:
            products = (await answer.json())["products"]
        return {
            product["savepath"]
            .removeprefix("/data/loki/raw_data/")
            .removeprefix("/data/loki/data/"): (product["sha256"])
            for product in products
            if not product["gone"]
        }


async def serve(nights: int, seed: int, share: float) -> None:
    """Serve the archive until the input ends; print the address first, and the faults last."""
    observed = tuple(FIRST_NIGHT.plus(days) for days in range(nights))
    options = SimulatorOptions(
        port=0,
        seed=seed,
        nights=observed,
        start=settled(observed),
        products_a_night=A_NIGHT,
        rate=0.0,
        faults=parse_script(script_of(share)),
    )
    async with simulator_of(options) as simulator:
        say(simulator.url)
        await asyncio.to_thread(sys.stdin.read)
        assert isinstance(simulator.faults, Scripted)
        say(json.dumps({"requests": len(simulator.requests), **simulator.faults.happened}))


@asynccontextmanager
async def archive(*arguments: str) -> AsyncIterator[tuple[Archive, dict[str, int]]]:
    """Run the archive in a process of its own, and collect its faults afterwards."""
    happened: dict[str, int] = {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as session:
            yield Archive(url, session), happened
        process.stdin.close()
        happened.update(json.loads(await process.stdout.readline()))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def settings_of(url: str, root: Path) -> Settings:
    """Return the settings of a mirror of everything."""
    everything = {"image_types": list(ImageType), "instruments": list(Instrument)}
    names = ("query_timeout", "first_byte_timeout", "silence_timeout")
    return settings_module.load_settings(
        None,
        {
            "api": {
                "base_url": url,
                "user": DEFAULT_USER,
                "password": DEFAULT_PASSWORD,
                "request_interval": 0,
                **dict.fromkeys(names, "3s"),
            },
            "mirror": {"root": root, "min_free": 0},
            "programs": [
                {"name": name, "api_key": key_of(name), **everything} for name in DEFAULT_PROGRAMS
            ],
        },
    )


async def live(nights: int, root: Path, source: Archive) -> dict[str, Any]:
    """Mirror until all is right, run after run, in one process, and return the figures."""
    life = Life(nights * A_NIGHT)
    settings, runs, codes = settings_of(source.url, root), 0, Counter[str]()
    now = await source.advance(timedelta(0))
    async with open_mirror(
        settings,
        life.count,
        time=Time(lambda: now, lambda: life.waited, life.sleep),
    ) as mirror:
        truth = await source.truth()
        while files_of(root) != truth:
            assert runs < MOST_RUNS, "it does not come to an end"
            codes[(await mirror.sync()).exit_code.name] += 1
            runs += 1
            now = await source.advance(STEP)
        life.resident["end"] = resident()
    return {
        "products": len(truth),
        "runs": runs,
        "exit_codes": dict(codes),
        "server_unwell": life.counts[ServerFailing.__name__],
        "tried_again": life.counts[Retrying.__name__],
        "resident_quarter": life.resident["quarter"],
        "resident_end": life.resident["end"],
        "left_over": left_over(root),
    }


def files_of(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in the tree."""
    return {
        str(path.relative_to(root)): sha256_of_file(path)
        for path in root.rglob("*")
        if path.is_file() and STATE_DIR not in path.parts
    }


def left_over(root: Path) -> list[str]:
    """Return what is left in staging."""
    return [path.name for path in (root / STATE_DIR / "staging").rglob("*") if path.is_file()]


async def soak(nights: int, seed: int, share: float) -> dict[str, Any]:
    """Run the soak test, and return its figures."""
    with tempfile.TemporaryDirectory(prefix="winter-sync-soak-") as directory:
        arguments = ("--nights", str(nights), "--seed", str(seed), "--share", str(share))
        async with archive(*arguments) as (source, happened):
            figures = await live(nights, Path(directory) / "winter", source)
    requests = happened.pop("requests")
    figures |= {"requests": requests, "faults": sum(happened.values()), "kinds": len(happened)}
    return figures


def say(line: str) -> None:
    """Print a line for the caller."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line, run, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", type=int, default=11, help=f"of {A_NIGHT} products each")
    parser.add_argument("--seed", type=int, default=20251001)
    parser.add_argument("--share", type=float, default=0.2, help="of the requests that fail")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.nights, given.seed, given.share))
    else:
        say(json.dumps(asyncio.run(soak(given.nights, given.seed, given.share))))


if __name__ == "__main__":
    main()
