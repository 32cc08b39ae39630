"""Measure the least that a download takes: inflate, CRC-32, SHA-256, write, fsync, rename.

A process of one thread asks for the same products in batches and does no more than that with what
arrives: no catalog, no check, no second connection. What winter-sync costs beside it is the price
of all that it promises. Then the pieces, one by one, from memory.

    python -m benchmarks.bare URL DIRECTORY TYPE PATHS BATCH
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import struct
import sys
import time
import zlib
from base64 import b64encode
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from isal import igzip_lib, isal_zlib

from benchmarks.archive import (
    KEY,
    PASSWORD,
    PROGRAM,
    USER,
    Archive,
    Products,
    exposures,
    fits_file,
    pack,
    serve,
)
from benchmarks.measuring import Cost, Measurement, Run, cost_of_command, ratios, winter_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BLOCK = 256 * 1024
_PIECE = 192 * 1024
_LOCAL = struct.Struct("<4s3HI3I2H")


# --- the process -----------------------------------------------------------------------------


class _Body:
    """The bytes of an answer, in a buffer that is used again and again."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self._buffer = memoryview(bytearray(_BLOCK))
        self._at = self._end = 0

    def some(self, most: int) -> memoryview:
        """Return the next bytes, at least one; none at the end."""
        if self._at == self._end:
            self._at, self._end = 0, self._response.readinto(self._buffer)
        end = min(self._end, self._at + most)
        view, self._at = self._buffer[self._at : end], end
        return view

    def exactly(self, count: int) -> bytes:
        """Return this many bytes."""
        taken = bytearray()
        while len(taken) < count:
            taken += self.some(count - len(taken))
        return bytes(taken)


def _take_members(body: _Body, directory: Path) -> None:
    """Take the members of a zip that says their lengths in front of them."""
    while True:
        head = body.exactly(4)
        if head != b"PK\3\4":
            while body.some(_BLOCK):
                pass
            return
        words = _LOCAL.unpack(head + body.exactly(_LOCAL.size - 4))
        method, crc, packed, size = words[3], *words[5:8]
        name = body.exactly(words[8]).decode()
        _take_member(body, directory / name, method, (crc, packed, size))


def _take_member(body: _Body, path: Path, method: int, said: tuple[int, int, int]) -> None:
    crc, left, size = said
    descriptor = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    digest, got_crc, got = hashlib.sha256(), 0, 0
    inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
    while left:
        piece = body.some(min(left, 128 * 1024))
        left -= len(piece)
        for data in _inflated(inflater, piece) if method else (piece,):
            digest.update(data)
            got_crc = isal_zlib.crc32(data, got_crc)
            got += os.write(descriptor, data)
    assert (got_crc, got) == (crc, size), "damaged"
    digest.hexdigest()
    os.fsync(descriptor)
    os.close(descriptor)
    Path(f"{path}.part").rename(path)


def _inflated(inflater: igzip_lib.IgzipDecompressor, piece: memoryview) -> Iterator[bytes]:
    if data := inflater.decompress(piece, _PIECE):
        yield data
    while not inflater.needs_input and not inflater.eof:
        if data := inflater.decompress(b"", _PIECE):
            yield data


def fetch(url: str, directory: Path, kind: str, paths: Sequence[str], batch: int) -> None:
    """Fetch products in batches over one connection."""
    directory.mkdir(parents=True)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    query = f"program_name={PROGRAM}&program_api_key={KEY}&image_type={kind}&instrument=winter"
    secret = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
    for number in range(0, len(paths), batch):
        body = json.dumps([{"path": path} for path in paths[number : number + batch]])
        connection.request("GET", f"/images/download_list?{query}", body, headers)
        _take_members(_Body(connection.getresponse()), directory)
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# --- the row ---------------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Measurement]:
    """Measure winter-sync beside the bare process, and the pieces."""
    yield from _large(run)
    yield from _small(run)


def _large(run: Run) -> Iterator[Measurement]:
    if run.quick:
        contents, kind = [pack(run.directory / "one", fits_file(1_000_000))], "stack"
    else:
        run.log("making exposures")
        contents, kind = exposures(run.directory, 4), "exposure"
    listed = Products(run.choose(24, 4), contents, kind)
    total = sum(contents[n % len(contents)].size for n in range(listed.count)) / 1e9
    with serve(run, listed) as archive:
        pairs = [_pair(run, archive, listed, 8) for _ in range(run.choose(4, 1))]
    cpu = ratios([ours.cpu for ours, _ in pairs], [bare.cpu for _, bare in pairs])
    wall = ratios([ours.wall for ours, _ in pairs], [bare.wall for _, bare in pairs])
    mine, theirs = (median(pair[side].cpu for pair in pairs) / total for side in (0, 1))
    how = f"{mine:.2f} beside {theirs:.2f} s of CPU for each GB, both with their start"
    yield Measurement("1.2 GB: CPU, times the bare process", cpu, how=how)
    yield Measurement("1.2 GB: time, times the bare process", wall)
    data = zlib.decompress(Path(contents[0].path).read_bytes(), -zlib.MAX_WBITS)
    packed = Path(contents[0].path).read_bytes()
    for name, work in _pieces(run, packed, data).items():
        costs = tuple(_cpu(work) / len(data) * 1e9 for _ in range(run.choose(7, 2)))
        yield Measurement(f"a GB of exposures: {name}, CPU", costs, "s")


def _small(run: Run) -> Iterator[Measurement]:
    count = run.choose(5000, 50)
    listed = Products(count, [pack(run.directory / "small", fits_file(6000))])
    with serve(run, listed) as archive:
        pairs = [_pair(run, archive, listed, 100) for _ in range(run.choose(3, 1))]
    cpu = tuple(bare.cpu / count * 1e3 for _, bare in pairs)
    yield Measurement("a file of 6 kB: the bare process, CPU", cpu, "ms")


def _pair(run: Run, archive: Archive, listed: Products, batch: int) -> tuple[Cost, Cost]:
    place = run.directory / "pair"
    place.mkdir()
    paths = place / "paths"
    paths.write_text(json.dumps([row["savepath"] for row in listed.rows()]))
    settings = archive.settings(place / "ours", listed.image_type)
    ours = cost_of_command(winter_sync("--log-level", "error", "sync"), settings)
    command = [sys.executable, "-m", "benchmarks.bare", archive.url, str(place / "bare")]
    bare = cost_of_command([*command, listed.image_type, str(paths), str(batch)])
    got = [sum(1 for _ in (place / name).rglob("*.fits")) for name in ("ours/winter", "bare")]
    assert got == [listed.count] * 2, got
    run.log(f"{listed.count} files: ours {ours}, bare {bare}")
    shutil.rmtree(place)
    return ours, bare


def _pieces(run: Run, packed: bytes, data: bytes) -> dict[str, Callable[[], object]]:
    path = run.directory / "written"
    view = memoryview(data)
    parts = [view[at : at + _PIECE] for at in range(0, len(data), _PIECE)]

    def inflate() -> None:
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        pieces = memoryview(packed)
        for at in range(0, len(packed), 128 * 1024):
            for _ in _inflated(inflater, pieces[at : at + 128 * 1024]):
                pass

    def digest() -> None:
        taken = hashlib.sha256()
        for part in parts:
            taken.update(part)

    def crc() -> None:
        value = 0
        for part in parts:
            value = isal_zlib.crc32(part, value)

    def write() -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for part in parts:
            os.write(descriptor, part)
        os.fsync(descriptor)
        os.close(descriptor)
        path.unlink()

    return {"inflate": inflate, "SHA-256": digest, "CRC-32": crc, "write and fsync": write}


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    address, place, kind, listed_in, batch = sys.argv[1:]
    fetch(address, Path(place), kind, json.loads(Path(listed_in).read_text()), int(batch))
