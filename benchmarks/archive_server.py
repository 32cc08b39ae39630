"""An archive that costs next to nothing: what it answers was prepared, and is sent as it lies.

Rows of a listing are bytes of a file, sorted by date; a download is put together of members that
were packed once, each sent from its file by the kernel (sendfile(2)) or from memory. So the client
is what is measured. It may also behave as a server does that zips before its first byte.

    python -m benchmarks.archive_server DIRECTORY

The directory is written by `benchmarks.archive`; the port is printed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

_IN_MEMORY = 256 * 1024
"""Bytes; members up to this size are joined and sent in one write."""
_SLICE = 1024 * 1024
_TIME = (45 << 25) | (1 << 21) | (1 << 16)
"""The first of January 2025, as zips write it (PKWARE APPNOTE 4.4.6)."""
_ZIP64 = 0xFFFFFFFF
_TYPE = re.compile(rb"[?&]image_type=(\w+)")
_INSTRUMENT = re.compile(rb"[?&]instrument=(\w+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Content:
    """What lies packed in a file: the data of a member, and what its zip says of it."""

    path: str
    size: int
    packed_size: int
    crc: int
    method: int


class Listing:
    """The rows of one camera and type, as bytes of a file in the order of their dates."""

    def __init__(self, path: Path, dates: list[int], ends: list[int], counts: list[int]) -> None:
        self._bytes = path.read_bytes()
        self._dates, self._ends, self._counts = dates, ends, counts

    def answer(self, start: int, end: int) -> bytes:
        """Return the answer to a query for these dates, inclusive."""
        first, last = bisect_left(self._dates, start), bisect_right(self._dates, end)
        begins = self._ends[first - 1] if first else 0
        ends = self._ends[last - 1] if last else 0
        rows = self._bytes[begins : max(ends - 2, begins)]  # less the last comma
        number = sum(self._counts[first:last])
        return b'{"msg": "Found %d images.", "body": [%b]}' % (number, rows)


class Server:
    """Answers connections, each in a thread of its own.

    Parameters
    ----------
    directory
        Where `archive.json` and what it names is.
    """

    def __init__(self, directory: Path) -> None:
        said: dict[str, Any] = json.loads((directory / "archive.json").read_text())
        self._contents = [Content(**content) for content in said["contents"]]
        self._products: dict[str, int] = said["products"]
        self._listings = {
            (each["instrument"].encode(), each["image_type"]): Listing(
                directory / each["path"], each["dates"], each["ends"], each["counts"]
            )
            for each in said["listings"]
        }
        self._small = {
            number: Path(content.path).read_bytes()
            for number, content in enumerate(self._contents)
            if content.packed_size <= _IN_MEMORY
        }
        self._wait, self._zip_rate, self._rate = said["wait"], said["zip_rate"], said["rate"]
        self._program = json.dumps({"msg": "ok", "body": said["program"]}).encode()
        self._log: list[dict[str, Any]] = []
        self._beginning = time.monotonic()

    def serve(self, listener: socket.socket) -> None:
        """Answer for ever."""
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        received = bytearray()
        with connection, suppress(ConnectionError):
            while True:
                while (at := received.find(b"\r\n\r\n")) < 0:
                    if not (block := connection.recv(65536)):
                        return
                    received += block
                head = bytes(received[:at])
                length = _LENGTH.search(head)
                end = at + 4 + (int(length[1]) if length else 0)
                while len(received) < end:
                    received += connection.recv(65536)
                body = bytes(received[at + 4 : end])
                del received[:end]
                self._answer(connection, head.split(b" ", 2)[1], body)

    def _answer(self, connection: socket.socket, target: bytes, body: bytes) -> None:
        path = target.partition(b"?")[0].decode()
        record = {"path": path, "products": 0, "sent": 0, "began": self._now}
        if path == "/images/download_list":
            self._download(connection, [each["path"] for each in json.loads(body)], record)
        else:
            answer = self._words(path, target, body)
            record["sent"] = len(answer)
            connection.sendall(self._head("application/json", len(answer)) + answer)
        if not path.startswith("/benchmark/"):
            self._log.append({**record, "ended": self._now})

    @property
    def _now(self) -> float:
        return time.monotonic() - self._beginning

    def _words(self, path: str, target: bytes, body: bytes) -> bytes:
        if path == "/benchmark/requests":
            return json.dumps(self._log).encode()
        if path == "/images/query":
            return self._query(target, json.loads(body)[0])
        if path == "/validation/program":
            return self._program
        return b'{"msg": "ok", "body": "1.4.0"}'

    def _query(self, target: bytes, query: dict[str, Any]) -> bytes:
        camera = _INSTRUMENT.search(target)
        key = (camera[1] if camera else b"winter"), query["image_type"]
        listing = self._listings.get(key)
        if listing is None:
            return b'{"msg": "Found 0 images.", "body": []}'
        return listing.answer(query["start_date"], query.get("end_date", 99999999))

    def _head(self, content_type: str, length: int | None, more: str = "") -> bytes:
        framed = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
        return (
            b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: "
            + formatdate(usegmt=True).encode()
            + f"\r\nContent-Type: {content_type}\r\n{more}{framed}\r\n\r\n".encode()
        )

    def _download(
        self, connection: socket.socket, savepaths: list[str], record: dict[str, Any]
    ) -> None:
        found = [(path, self._products[path]) for path in savepaths if path in self._products]
        self._make_zip(sum(self._contents[number].size for _, number in found))
        more = (
            f"missing-images: {len(savepaths) - len(found)}\r\ntotal-images: {len(savepaths)}\r\n"
        )
        out = _Sender(connection, self._rate)
        out.hold(self._head("application/x-zip-compressed", None, more))
        directory = bytearray()
        for savepath, number in found:
            content, name = self._contents[number], savepath.rpartition("/")[2].encode()
            directory += _central(content, name, out.sent)
            data = self._small.get(number)
            out.member(_local(content, name), content, data)
        out.chunk(bytes(directory) + _end(len(found), len(directory), out.sent))
        out.hold(b"0\r\n\r\n")
        out.flush()
        record["products"], record["sent"] = len(found), out.sent

    def _make_zip(self, size: int) -> None:
        """Take the time of a server that zips before its first byte."""
        if self._zip_rate:
            time.sleep(self._wait + size / self._zip_rate)


class _Sender:
    """Sends the chunks of one answer; what is small waits to go with what follows."""

    def __init__(self, connection: socket.socket, rate: float | None) -> None:
        self._connection = connection
        self._rate = rate
        self._held: list[bytes] = []
        self._size = 0
        self._began = time.monotonic()
        self.sent = 0
        """Bytes of the zip."""

    def hold(self, data: bytes) -> None:
        """Send bytes that are not of the zip, together with the next."""
        self._held.append(data)
        self._size += len(data)

    def chunk(self, data: bytes) -> None:
        """Send a chunk of the zip."""
        self.hold(b"%x\r\n" % len(data))
        self.hold(data)
        self.hold(b"\r\n")
        self.sent += len(data)
        if self._size >= _IN_MEMORY:
            self.flush()

    def member(self, head: bytes, content: Content, data: bytes | None) -> None:
        """Send a member: in one chunk, from memory or from its file."""
        if data is not None:
            self.chunk(head + data)
            return
        self.hold(b"%x\r\n" % (len(head) + content.packed_size) + head)
        self.flush()
        with Path(content.path).open("rb") as file:
            self._send_file(file.fileno(), content.packed_size, len(head))
        self.sent += len(head) + content.packed_size
        self.hold(b"\r\n")

    def flush(self) -> None:
        """Send what waits."""
        self._connection.sendall(b"".join(self._held))
        self._held.clear()
        self._size = 0
        self._pace(0)

    def _send_file(self, descriptor: int, size: int, ahead: int) -> None:
        offset = 0
        while offset < size:
            count = min(size - offset, _SLICE if self._rate else size - offset)
            sent = os.sendfile(self._connection.fileno(), descriptor, offset, count)
            offset += sent
            self._pace(ahead + offset)

    def _pace(self, ahead: int) -> None:
        """Wait until a connection of this rate would have sent what was sent."""
        if self._rate:
            due = self._began + (self.sent + ahead) / self._rate
            time.sleep(max(0.0, due - time.monotonic()))


def _local(content: Content, name: bytes) -> bytes:
    """Return the record before a member's data (PKWARE APPNOTE 4.3.7)."""
    sizes = content.crc, content.packed_size, content.size, len(name), 0
    return struct.pack("<4s3HI3I2H", b"PK\3\4", 20, 0, content.method, _TIME, *sizes) + name


def _central(content: Content, name: bytes, offset: int) -> bytes:
    """Return the record of a member in the directory at the end (APPNOTE 4.3.12)."""
    extra = struct.pack("<HHQ", 1, 8, offset) if offset >= _ZIP64 else b""
    head = struct.pack("<4s4HI", b"PK\1\2", 45, 45, 0, content.method, _TIME)
    sizes = content.crc, content.packed_size, content.size, len(name), len(extra)
    fixed = struct.pack("<3I5HII", *sizes, 0, 0, 0, 0, min(offset, _ZIP64))
    return head + fixed + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """Return the end of a zip (APPNOTE 4.3.14 to 4.3.16)."""
    ending = b""
    if offset + size >= _ZIP64:
        words = 45, 45, 0, 0, count, count, size, offset
        ending = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, *words)
        ending += struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
        offset = _ZIP64
    return ending + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def main() -> None:
    """Serve a directory on a free port of the loopback, which is printed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(Path(sys.argv[1]))
    print(listener.getsockname()[1], flush=True)
    server.serve(listener)


if __name__ == "__main__":
    main()
