"""Find where the CPU goes: of a GB of exposures, of small files, of polls of new and known rows.

A sync runs in a process of its own with a profiler in every thread, whose clock is the thread's
CPU. The profiler takes time itself, more of functions that call many; so these are shares, for an
order of magnitude. What C functions take is counted under what they do, Python's under the package.

    python -m benchmarks.profiles OUTPUT WHAT   (the process: sync, poll)
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import shutil
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.archive import Products, exposures, fits_file, pack, serve
from benchmarks.measuring import Measurement, Run, cost_of_command
from benchmarks.polling import poll_apart
from winter_sync.config import load_settings
from winter_sync.factory import open_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winter_sync.sync import Mirror

_SHOWN = 0.03
"""Shares below this are put together."""
_WAITING = ("<method 'get' of '_queue.SimpleQueue' objects>",)
_KINDS = {
    "igzip": "inflating", "decompress": "inflating", "crc32": "CRC-32",
    "'update' of '_hashlib": "SHA-256", "'hexdigest": "SHA-256", "sha256": "SHA-256",
    "sqlite3": "SQLite", "fsync": "fsync", "fdatasync": "fsync", "posix.write": "write",
    "'recv": "receiving", "'send": "sending", "posix.": "other system calls",
    "select.epoll": "waiting for the socket", "_json": "JSON", "scan_once": "JSON",
    "lock": "locks", "http_parser": "HTTP",
}  # fmt: skip
"""What a C function does, by a part of its name; the first that fits."""


def measure(run: Run) -> Iterator[Measurement]:
    """Profile each path."""
    if run.quick:
        large = Products(2, [pack(run.directory / "large", fits_file(1_000_000))])
    else:
        run.log("making exposures")
        large = Products(20, exposures(run.directory, 4), "exposure")
    yield from _profile(run, "a GB", large, "sync")
    small = Products(run.choose(3000, 20), [pack(run.directory / "small", fits_file(6000))])
    yield from _profile(run, "small files", small, "sync")
    rows = Products(run.choose(10_000, 20))
    yield from _profile(run, "a poll of new rows", rows, "first poll")
    yield from _profile(run, "a poll of known rows", rows, "poll")


def _profile(run: Run, name: str, listed: Products, what: str) -> Iterator[Measurement]:
    root, output = run.directory / "mirror", run.directory / "profile"
    with serve(run, Products(1, image_type="raw")) as archive:
        poll_apart(archive.settings(root, "raw"))  # makes the catalog
    with serve(run, listed) as archive:
        settings = archive.settings(root, listed.image_type)
        if what == "poll":
            poll_apart(settings)
        command = [sys.executable, "-m", "benchmarks.profiles", str(output), what]
        cost_of_command(command, settings)
    seconds: dict[str, float] = json.loads(output.read_text())
    total = sum(seconds.values())
    run.log(f"{name}: {total:.1f} s")
    shares = {kind: cpu / total for kind, cpu in seconds.items()}
    rest = sum(share for share in shares.values() if share < _SHOWN)
    for kind, share in sorted(shares.items(), key=lambda item: -item[1]):
        if share >= _SHOWN:
            yield Measurement(f"{name}: {kind}", (100 * share,), "%")
    yield Measurement(f"{name}: the rest", (100 * rest,), "%")
    shutil.rmtree(root)


# --- the process -----------------------------------------------------------------------------


class ThreadProfiles:
    """Profiles of all threads that are started within it, by their own CPU."""

    def __init__(self) -> None:
        self.all: list[cProfile.Profile] = []

    def begin(self, *_: object) -> cProfile.Profile:
        """Profile the thread that calls this, from now on."""
        profile = cProfile.Profile(time.thread_time)
        self.all.append(profile)
        profile.enable()
        return profile

    def seconds(self) -> dict[str, float]:
        """Return seconds of CPU by what they were for."""
        found: defaultdict[str, float] = defaultdict(float)
        for profile in self.all:
            profile.create_stats()
            stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, object]]
            stats = pstats.Stats(profile).stats  # type: ignore[attr-defined] # has no stub
            for (path, _, name), (_, _, own, _, _) in stats.items():
                # A thread that waits to the end has the clock of the one that stops it.
                found[kind_of(path, name)] += 0 if name in _WAITING else own
        return found


def kind_of(path: str, name: str) -> str:
    """Return what a function is for, by the file and name that the profiler gives it."""
    if path == "~":
        return next((kind for part, kind in _KINDS.items() if part in name), "other C functions")
    parts = Path(path).parts
    if "winter_sync" in parts:
        return "our " + parts[parts.index("winter_sync") + 1].removesuffix(".py")
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return "asyncio" if "asyncio" in parts else "Python's library"


async def profiled(what: str) -> dict[str, float]:
    """Run a sync or a poll and return seconds of CPU by what they were for."""
    profiles = ThreadProfiles()
    threading.setprofile(profiles.begin)
    async with open_mirror(load_settings(), lambda _: None) as mirror:
        await mirror.api.ping()
        main = profiles.begin()
        try:
            await (mirror.sync() if what == "sync" else _poll(mirror))
        finally:
            main.disable()
            threading.setprofile(None)
    return profiles.seconds()


async def _poll(mirror: Mirror) -> None:
    for selection in mirror.selections:
        for subject in selection.subjects:
            result = await mirror.poller.poll(selection, subject)
            assert result.error is None, result
            assert result.queries, result


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(asyncio.run(profiled(sys.argv[2]))))
