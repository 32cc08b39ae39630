"""Measure a whole daemon under listings made to hurt it: its slowest health answer and its memory.

A server on this machine answers every query with the same listing. The daemon (`winter-sync run`,
a process of its own) polls it often, and `/healthz` is asked all the while. Printed for each
listing: the queries that were answered, the slowest and the median answer of `/healthz`, and the
peak of the daemon's memory, as the kernel counts it. The unit allows 512 MB, and 3 s are promised.

    python -m benchmarks.hostile_listing [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Goal, Measurement, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NIGHT = "20251023"


def answer_of(rows: list[object]) -> bytes:
    """Return an answer to a query with these rows."""
    said = {"msg": f"Found {len(rows)} images", "body": rows}
    return json.dumps(said, separators=(",", ":")).encode()


def row(path: str, **more: object) -> dict[str, object]:
    """Return a row of a listing."""
    return {"savepath": path, "nightdate": int(NIGHT), "progname": "2024A000", **more}


def good_path(number: int) -> str:
    """Return the path of a stack as the archive writes it."""
    return f"/data/loki/data/winter/{NIGHT}/stack/WINTERcamera_{NIGHT}-{number:06}-001_stack.fits"


def encoded(number: int) -> str:
    """Return an unsafe path, encoded many times over."""
    return "%2525252e%2525252e/" * 6 + f"{number}.fits"


LISTINGS: dict[str, Callable[[], bytes]] = {
    "900,000 tiny rows": lambda: answer_of([{"a": 1}] * 900_000),
    "60,000 unsafe paths, much encoded": lambda: answer_of(
        [row(encoded(number)) for number in range(60_000)]
    ),
    "40,000 unsafe paths, much encoded": lambda: answer_of(
        [row(encoded(number)) for number in range(40_000)]
    ),
    "40,000 rows, all new": lambda: answer_of([row(good_path(n)) for n in range(40_000)]),
    "40,000 rows of 350 bytes": lambda: answer_of(
        [row(good_path(n), targname="x" * 220) for n in range(40_000)]
    ),
    "nested 7,000,000 deep": lambda: b'{"body":' + b"[" * 7_000_000 + b"]" * 7_000_000 + b"}",
    "2,000,000 numbers in a row": lambda: answer_of([row(good_path(1), fid=[0] * 2_000_000)]),
    "one string of 15 MB": lambda: answer_of([row(good_path(1), targname="\\u0007" * 2_400_000)]),
}


@dataclass
class Archive:
    """A server that answers each query with one listing."""

    listing: bytes
    queries: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                is_query = b"/images/query" in head.split(b"\r\n")[0]
                self.queries += is_query
                body = self.listing if is_query else b'{"msg": "ok", "body": {}}'
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %b\r\n"
                    b"Content-Length: %d\r\n\r\n%b"
                    % (formatdate(usegmt=True).encode(), len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class Measured:
    """What was seen of a daemon from outside; times in seconds, memory in bytes."""

    answers: list[float] = field(default_factory=list)
    peak: int = 0
    ended: int | None = None


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def health(port: int) -> float:
    """Return how long `/healthz` takes to answer, in seconds."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1")
    writer.close()
    return time.perf_counter() - began


def peak_of(process: int) -> int:
    """Return the peak of a process's resident memory, in bytes (proc(5), VmHWM)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def environment(url: str, root: Path, pages: int) -> dict[str, str]:
    """Return the settings of a daemon that polls one program at a short interval."""
    program = {
        "name": "2024A000",
        "api_key": "key",
        "image_types": ["stack"],
        "since": "20251001",
        "schedule": {"poll_every": "10s"},
    }
    return {
        **os.environ,
        "WINTER_SYNC_API__BASE_URL": url,
        "WINTER_SYNC_API__USER": "somebody",
        "WINTER_SYNC_API__PASSWORD": "password",
        "WINTER_SYNC_API__REQUEST_INTERVAL": "0s",
        "WINTER_SYNC_MIRROR__ROOT": str(root),
        "WINTER_SYNC_MIRROR__MIN_FREE": "0",
        "WINTER_SYNC_HTTP__LISTEN": f"127.0.0.1:{pages}",
        "WINTER_SYNC_PROGRAMS": json.dumps([program]),
    }


async def watched(listing: bytes, seconds: float) -> tuple[Archive, Measured]:
    """Run a daemon against a listing for some time, and look at it from outside."""
    archive, measured, pages = Archive(listing), Measured(), free_port()
    server = await asyncio.start_server(archive.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="winter-sync-benchmark-") as name:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "winter_sync", "--log-level", "error", "run"),
            env=environment(url, Path(name) / "mirror", pages),
            stdout=asyncio.subprocess.DEVNULL,
        )
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and process.returncode is None:
            try:
                measured.answers.append(await health(pages))
            except ConnectionRefusedError:
                assert not measured.answers or process.returncode is not None, "it is gone"
            measured.peak = max(measured.peak, peak_of(process.pid))
            await asyncio.sleep(0.1)
        measured.ended = process.returncode
        if process.returncode is None:
            process.terminate()
        await process.wait()
    server.close()
    return archive, measured


def measure(run: Run) -> Iterator[Measurement]:
    """Measure the daemon under each listing."""
    names = run.choose(list(LISTINGS), ["one string of 15 MB"])
    for name in names:
        archive, measured = asyncio.run(watched(LISTINGS[name](), run.choose(25, 12)))
        if measured.ended is not None or not measured.answers:
            raise RuntimeError(f"{name}: the daemon ended with {measured.ended}")
        how = f"{archive.queries} queries"
        slowest = (max(measured.answers),)
        yield Measurement(f"{name}: slowest `/healthz`", slowest, "s", Goal(3), how)
        yield Measurement(f"{name}: peak memory", (measured.peak / 1e6,), "MB", Goal(512))


async def main(seconds: float) -> None:
    """Measure each listing in turn and print a line of each."""
    for name, made in LISTINGS.items():
        listing = made()
        archive, measured = await watched(listing, seconds)
        slowest = max(measured.answers, default=float("nan"))
        median = statistics.median(measured.answers or [slowest])
        print(
            f"{name:36} {len(listing) / 1e6:5.1f} MB, {archive.queries:4} queries: /healthz at "
            f"most {slowest:.2f} s, median {median:.3f} s; peak {measured.peak / 1e6:.0f} MB"
            + ("" if measured.ended is None else f"; ended with {measured.ended}"),
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each listing")
    asyncio.run(main(parser.parse_args().seconds))
