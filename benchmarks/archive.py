"""What benchmarks ask of their archive: products with prepared contents, served by a process.

The server (`benchmarks.archive_server`) runs on the server's cores; its CPU can be read meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.archive_server import Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.measuring import Run

PROGRAM = "2024A000"
USER, PASSWORD, KEY = "benchmark", "password", "key"
TODAY = datetime.now(UTC).date()
LAST = TODAY - timedelta(days=3)
"""The last night of what is listed: a poll asks for the last week, by the real date."""
STORED, DEFLATED = 0, 8
_BLOCK = 2880
_SUFFIXES = {
    "exposure": ("raw_data", "raw", "_mef.fits"),
    "raw": ("data", "raw_unpacked", "_mef_4_0_0.fits"),
    "stack": ("data", "final", "_mef_4_0_0_stack.fits"),
    "diff": ("data", "diffs", "_mef_4_0_0_stack.diff.fits"),
}


@dataclass(frozen=True, slots=True)
class Products:
    """Products of WINTER that an archive lists and has.

    Parameters
    ----------
    count
        How many; as many in each night as possible, the nights in order.
    contents
        Their files; the first product has the first, and so on, over and over. None without files.
    image_type, nights
        What they are, and over how many nights they are spread; the last of these is `LAST`.
    """

    count: int
    contents: Sequence[Content] = ()
    image_type: str = "stack"
    nights: int = 1

    @property
    def first(self) -> date:
        """Their first night."""
        return LAST - timedelta(days=self.nights - 1)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield their rows, in the order of time."""
        random = Random(self.count)
        each = -(-self.count // self.nights)
        for number in range(self.count):
            night, within = divmod(number, each)
            yield _row(self, self.first + timedelta(days=night), within, random)


def _row(products: Products, night: date, number: int, random: Random) -> dict[str, Any]:
    """Return a row as the archive writes it (winter-api.md, "Endpoints")."""
    started = datetime(night.year, night.month, night.day, 8, tzinfo=UTC)
    started += timedelta(days=1, milliseconds=601 * number)
    root, subdirectory, suffix = _SUFFIXES[products.image_type]
    name = f"WINTERcamera_{started:%Y%m%d-%H%M%S}-{started.microsecond // 1000:03}{suffix}"
    return {
        "progname": PROGRAM,
        "nightdate": started.date().isoformat(),
        "targname": f"field{number % 500:05}",
        "ra": round(random.uniform(0, 360), 6),
        "dec": round(random.uniform(-30, 90), 6),
        "fid": 1 + number % 3,
        "utctime": started.isoformat(timespec="microseconds"),
        "fieldid": 999_999_999,
        "image_type": products.image_type,
        "savepath": f"/data/loki/{root}/winter/{night:%Y%m%d}/{subdirectory}/{name}",
        "lastmodified": (started + timedelta(hours=9)).isoformat(timespec="microseconds"),
        "pipeversion": "0.19.0",
    }


@dataclass
class Archive:
    """A running archive."""

    url: str
    process: int
    started: float
    """The CPU that the server had taken when it began to serve, seconds."""

    @property
    def cpu(self) -> float:
        """How much CPU the server has taken since it began to serve, seconds."""
        return _cpu_of(self.process) - self.started

    def requests(self) -> list[dict[str, Any]]:
        """Return what was asked: path, products, bytes sent, began and ended in seconds."""
        with urllib.request.urlopen(f"{self.url}/benchmark/requests") as answer:  # noqa: S310 - ours
            answered: list[dict[str, Any]] = json.load(answer)
        return answered

    def settings(
        self, root: Path, *image_types: str, since: str | None = None, **more: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return the environment in which winter-sync mirrors these types into a root.

        `since` is the first night to mirror. Further settings are given by section:
        `api={"connections": 2}`.
        """
        program = {"name": PROGRAM, "api_key": KEY, "image_types": list(image_types or ("stack",))}
        if since is not None:
            program["since"] = since
        sections: dict[str, dict[str, Any]] = {
            "api": {
                "base_url": self.url,
                "user": USER,
                "password": PASSWORD,
                "request_interval": "0s",
            },
            "mirror": {"root": str(root), "min_free": "0"},
        }
        for name, section in more.items():
            sections[name] = {**sections.get(name, {}), **section}
        words = {
            f"WINTER_SYNC_{name.upper()}__{key.upper()}": str(value)
            for name, section in sections.items()
            for key, value in section.items()
        }
        return {**words, "WINTER_SYNC_PROGRAMS": json.dumps([program])}


@contextmanager
def serve(
    run: Run,
    *listed: Products,
    wait: float = 0.0,
    zip_rate: float | None = None,
    rate: float | None = None,
) -> Iterator[Archive]:
    """Run an archive on the server's cores.

    Parameters
    ----------
    run
        Where to keep the listings, and which cores.
    listed
        What it has; at most one of each image type.
    wait, zip_rate
        It zips before its first byte: seconds, and bytes of content a second. Not at all if there
        is no rate.
    rate
        Bytes a second on each connection; as fast as it can if None.
    """
    directory = run.directory / f"archive-{len(list(run.directory.glob('archive-*')))}"
    directory.mkdir()
    said: dict[str, Any] = {
        "wait": wait,
        "zip_rate": zip_rate,
        "rate": rate,
        "program": _program(listed),
    }
    said.update(_write(directory, listed))
    (directory / "archive.json").write_text(json.dumps(said))
    command = [sys.executable, "-m", "benchmarks.archive_server", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, run.server_cores)
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        yield Archive(url, process.pid, _cpu_of(process.pid))
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _program(listed: Sequence[Products]) -> dict[str, Any]:
    first = min(products.first for products in listed)
    return {
        "puid": 1, "progid": 1, "progname": PROGRAM, "prog_key": KEY,
        "pi_name": "Benchmark", "pi_email": "benchmark@example.org",
        "startdate": first.isoformat(), "enddate": (TODAY + timedelta(days=30)).isoformat(),
        "hours_allocated": 1.0, "hours_used": 0.0, "maxpriority": 1.0, "progtitle": "Benchmark",
    }  # fmt: skip


def _write(directory: Path, listed: Sequence[Products]) -> dict[str, Any]:
    """Write the rows of each type to a file, with the places where each date ends."""
    contents: list[Content] = []
    products: dict[str, int] = {}
    listings = []
    for each in listed:
        base = len(contents)
        contents += each.contents
        path = f"{each.image_type}.rows"
        dates: list[int] = []
        ends: list[int] = []
        counts: list[int] = []
        with (directory / path).open("wb") as file:
            for number, row in enumerate(each.rows()):
                if each.contents:
                    products[row["savepath"]] = base + number % len(each.contents)
                day = int(row["nightdate"].replace("-", ""))
                if not dates or dates[-1] != day:
                    assert not dates or dates[-1] < day, "rows come in the order of time"
                    dates.append(day)
                    ends.append(0)
                    counts.append(0)
                file.write(json.dumps(row).encode() + b",\n")
                ends[-1] = file.tell()
                counts[-1] += 1
        listings.append(
            {
                "instrument": "winter", "image_type": each.image_type, "path": path,
                "dates": dates, "ends": ends, "counts": counts,
            }
        )  # fmt: skip
    packed = [asdict(content) for content in contents]
    return {"contents": packed, "products": products, "listings": listings}


def _cpu_of(process: int) -> float:
    """Return the CPU that a process has taken, seconds (proc(5), stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- contents --------------------------------------------------------------------------------


def pack(path: Path, data: bytes, *, deflated: bool = True, level: int = 1) -> Content:
    """Keep a content packed in a file."""
    packed = data
    if deflated:
        squeeze = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = squeeze.compress(data) + squeeze.flush()
    path.write_bytes(packed)
    method = DEFLATED if deflated else STORED
    return Content(str(path), len(data), len(packed), zlib.crc32(data), method)


def fits_header(size: int) -> bytes:
    """Return the header of a FITS image of bytes that makes a file of about this size."""
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {max(size // _BLOCK - 1, 0) * _BLOCK:20}",
        "END",
    ]
    return "".join(card.ljust(80) for card in cards).ljust(_BLOCK).encode()


def fits_file(size: int, seed: int = 1, values: int = 40) -> bytes:
    """Return a FITS file of about this size, a multiple of 2880 bytes.

    Its bytes have this many values: 13 deflate to a half, 40 to two thirds.
    """
    header = fits_header(size)
    noise = np.random.default_rng(seed).integers(0, values, max(size // _BLOCK - 1, 0) * _BLOCK)
    return header + noise.astype(np.uint8).tobytes()


def light_fits_file(size: int, seed: int = 1) -> bytes:
    """Return a FITS file of about this size that deflates to 0.55 of it, and inflates at no cost.

    Of each 20 blocks 11 cannot be deflated, and lie in a zip as they are; the others are zeros.
    """
    header = fits_header(size)
    blocks = max(size // _BLOCK - 1, 0)
    noise = np.random.default_rng(seed).integers(0, 256, (blocks, _BLOCK), dtype=np.uint8)
    noise[np.arange(blocks) % 20 >= 11] = 0  # noqa: PLR2004 - see above
    return header + noise.tobytes()


def zeros_file(path: Path, size: int) -> Content:
    """Keep a stored FITS file of zeros of about this size, that takes no room on the disk."""
    header = fits_header(size)
    length = len(header) + max(size // _BLOCK - 1, 0) * _BLOCK
    crc, left, zeros = zlib.crc32(header), length - len(header), bytes(1 << 20)
    while left:
        crc = zlib.crc32(zeros[: min(left, len(zeros))], crc)
        left -= min(left, len(zeros))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(length)
    return Content(str(path), length, length, crc, STORED)


def exposures(directory: Path, count: int, *, deflated: bool = True) -> list[Content]:
    """Return exposures of real size, 52 MB each with six boards, as the simulator makes them."""
    # Not at the top: it takes a second, and most rows have other contents.
    from winter_sync.core import ImageType, Instrument  # noqa: PLC0415
    from winter_sync.simulator import Observatory, Universe  # noqa: PLC0415

    observatory = Observatory(Universe(), scale=1.0)
    listed = observatory.products(image_type=ImageType.EXPOSURE, instrument=Instrument.WINTER)
    return [
        pack(
            directory / f"exposure-{number}",
            observatory.content(*product.identity),
            deflated=deflated,
        )
        for number, product in enumerate(listed[:count])
    ]
