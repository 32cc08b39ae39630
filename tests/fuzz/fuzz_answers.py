"""Fuzz the engine: whole answers of an archive, mutated from good ones, on their way to it.

A relay stands between a whole mirror and a simulated archive. It changes status lines, headers,
encodings, listings and zips, or any byte of them. Whatever it does, the engine must end each run
by itself, in a few seconds of CPU and without an error that nobody explained; memory, the events
of a run and the files of the tree stay within bounds; nothing is written outside of the root; and
what is in the tree is byte for byte some content of the archive.

Run by `scripts/fuzz answers [ANSWERS]`, and with few answers by the tests.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.rig import Rig  # noqa: E402 - found by the line above
from support.wires import ABSURD_DATES, listening  # noqa: E402 - the same

from winter_sync.core.filesystem import sha256_of_file  # noqa: E402 - the same
from winter_sync.simulator import (  # noqa: E402 - the same
    DEMO_NIGHT,
    Observatory,
    Simulator,
    Universe,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "2024A000"
MOST_MEMORY = 512 * 1024 * 1024
"""Bytes: `MemoryMax` of the systemd unit, though archive and relay live in this process, too."""
MOST_EVENTS = 2_000
"""Of one run, which has some ten answers and sixteen products."""
MOST_SECONDS = 20.0
"""CPU of one run."""
_SELDOM = 0.1
"""How often an answer is mutated that only leads to listings and downloads."""
RUNS_A_MIRROR = 12
"""After so many runs the mirror begins anew."""


@dataclass
class Message:
    """An HTTP answer in its parts."""

    status: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def parsed(cls, raw: bytes) -> Message:
        """Take an answer apart; its body is put together from its chunks."""
        head, _, body = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = [(name, value.strip()) for name, _, value in (x.partition(b":") for x in lines)]
        if (b"Transfer-Encoding", b"chunked") in headers:
            body = _unchunked(body)
        framing = {b"transfer-encoding", b"content-length"}
        return cls(status, [each for each in headers if each[0].lower() not in framing], body)

    def sent(self) -> bytes:
        """Put an answer together; its end is the connection's."""
        lines = [self.status, *(name + b": " + value for name, value in self.headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def _unchunked(body: bytes) -> bytes:
    found = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        found += body[:length]
        body = body[length + 2 :]
    return bytes(found)


# --- what is done to an answer ----------------------------------------------------------------


def nothing(_: random.Random, message: Message) -> None:
    """Leave an answer as it is."""


def flip(dice: random.Random, message: Message) -> None:
    """Change a few bytes of a body."""
    body = bytearray(message.body)
    for _ in range(dice.randint(1, 8)):
        if body:
            body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    message.body = bytes(body)


def cut(dice: random.Random, message: Message) -> None:
    """End a body early."""
    message.body = message.body[: dice.randint(0, len(message.body))]


def repeat(dice: random.Random, message: Message) -> None:
    """Repeat a piece of a body, once or thousands of times."""
    body = message.body
    begin = dice.randint(0, len(body))
    piece = body[begin : begin + dice.randint(1, 64)]
    message.body = body[:begin] + piece * dice.choice((1, 3, 100, 50_000)) + body[begin:]


def junk(dice: random.Random, message: Message) -> None:
    """Put noise somewhere into a body."""
    at = dice.randint(0, len(message.body))
    noise = dice.randbytes(dice.choice((1, 10, 1000, 100_000)))
    message.body = message.body[:at] + noise + message.body[at:]


def status(dice: random.Random, message: Message) -> None:
    """Answer with another status, or with none."""
    lines = (b"200 OK", b"204 No", b"206 Part", b"301 Moved", b"401 No", b"404 No", b"429 Wait")
    others = (b"500 Oh", b"503 Busy", b"999 ?", b"-1 ?", b"", b"2000 OK", b"\x1b[31m")
    message.status = b"HTTP/1.1 " + dice.choice((*lines, *others))


def header(dice: random.Random, message: Message) -> None:
    """Add a header that is wrong, absurd or hostile."""
    date = dice.choice(ABSURD_DATES).encode(errors="replace")[:4000]
    message.headers.append(
        dice.choice(
            [
                (b"Date", date),
                (b"Retry-After", dice.choice((b"1e9", b"-5", b"99999999999999", date))),
                (b"Content-Length", dice.choice((b"0", b"5", b"99999999", b"-1", b"1, 2"))),
                (b"Transfer-Encoding", dice.choice((b"chunked", b"gzip, chunked", b"x"))),
                (b"Content-Encoding", dice.choice((b"gzip", b"deflate", b"br", b"gzip, gzip"))),
                (b"Set-Cookie", b"a=b; Domain=.; Max-Age=999999999"),
                (b"Location", b"http://user:pass@elsewhere.invalid/?program_api_key=x"),
                (b"missing-images", dice.choice((b"99", b"-1", b"9" * 5000, b"\x1b]0;x\x07"))),
                (b"total-images", b"\xff\xfe"),
                (b"X" * dice.choice((10, 9000)), b"y" * dice.choice((10, 9000))),
            ]
        )
    )


def many_headers(dice: random.Random, message: Message) -> None:
    """Add hundreds of headers."""
    message.headers += [(b"X-%d" % n, b"y" * 20) for n in range(dice.choice((50, 500)))]


def compressed(dice: random.Random, message: Message) -> None:
    """Compress a body, asked for or not, perhaps of a size that is none."""
    body = message.body + bytes(dice.choice((0, 0, 1_000_000, 60_000_000)))
    message.headers.append((b"Content-Encoding", b"gzip"))
    message.body = gzip.compress(body, 1)


def informational(dice: random.Random, message: Message) -> None:
    """Put informational answers before the real one."""
    some = b"HTTP/1.1 100 Continue\r\n\r\n" * dice.choice((1, 10, 5000))
    message.status = some + message.status


WILD: tuple[Any, ...] = (
    *(None, True, -1, 2**70, 1e308, float("nan"), "", " ", "NaN", "\ud800", "\0", "x" * 5000),
    *("'; DROP TABLE products; --", "\x1b[2J\x1b]0;owned\x07", "../../../../etc/passwd", [[[]]]),
    *({"a": {}}, "9999-99-99", "0001-01-01", "20240230", "%2e%2e%2f" * 500, "/" * 4000),
)


def rows(dice: random.Random, message: Message) -> None:
    """Change the rows of a listing: values, savepaths, their number, the shape of it all."""
    with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        answer = json.loads(message.body)
        table = answer["body"]
        row = dice.choice(table)
        column = dice.choice([*row, "savepath", "savepath", "nightdate", "lastmodified"])
        row[column] = dice.choice(WILD)
        match dice.randrange(7):
            case 0:
                table *= dice.choice((2, 100, 3000))
            case 1:
                dice.shuffle(table)
            case 2:
                del table[dice.randrange(len(table)) :]
            case 3:
                answer["msg"] = dice.choice(("Found 0 images", "Found 10 images", 7, None))
            case 4:
                row["savepath"] = str(row["savepath"]).replace("/", dice.choice("/\\.:\0"), 3)
            case 5:
                answer["body"] = {name: [each.get(name) for each in table] for name in row}
            case _:
                pass
        message.body = json.dumps(answer).encode()


def deep(dice: random.Random, message: Message) -> None:
    """Answer with JSON that is nested without end."""
    message.body = b"[" * dice.choice((100, 100_000))


def members(dice: random.Random, message: Message) -> None:
    """Change a field of a zip's headers, or have members twice."""
    body = bytearray(message.body)
    if (at := body.find(b"PK\x03\x04", dice.randint(0, max(len(body) // 2, 1)))) < 0:
        return
    if dice.random() < 0.3:
        message.body = bytes(body[:at] + body[at:] * dice.choice((2, 50)))
        return
    field_at = at + dice.randrange(4, 30)
    body[field_at : field_at + 4] = dice.choice((bytes(4), b"\xff" * 4, dice.randbytes(4)))
    message.body = bytes(body)


MUTATIONS: tuple[Callable[[random.Random, Message], None], ...] = (
    *(nothing, nothing, nothing, flip, flip, cut, repeat, junk, status, header, header),
    *(many_headers, compressed, informational, rows, rows, rows, rows, deep, members, members),
)


# --- the relay and its watch ----------------------------------------------------------------------


@dataclass
class Relay:
    """Hands requests to an archive, and its answers, mutated, back."""

    port: int
    dice: random.Random
    answers: int = 0
    done: Counter[str] = field(default_factory=Counter)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in request.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        request = request[:-2] + b"Connection: close\r\n\r\n" + await reader.readexactly(length)
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(downstream):
            downstream.write(request)
            raw = await upstream.read()
        self.answers += 1
        matters = b"/images/" in request.partition(b"\r\n")[0]
        hit = matters or self.dice.random() < _SELDOM
        with suppress(ConnectionError):
            writer.write(self._mutated(raw) if hit else raw)
            await writer.drain()

    def _mutated(self, raw: bytes) -> bytes:
        message = Message.parsed(raw)
        for _ in range(self.dice.choice((1, 1, 1, 2, 3))):
            mutation = self.dice.choice(MUTATIONS)
            self.done[mutation.__name__] += 1
            mutation(self.dice, message)
        return message.sent()


@dataclass(frozen=True)
class Findings:
    """What was seen over all runs."""

    answers: int
    runs: int
    downloaded: int
    most_events: int
    most_seconds: float
    memory: int
    done: Counter[str]


async def fuzz(answers: int, seed: int, directory: Path) -> Findings:
    """Let a mirror meet so many answers, and make sure that none of them hurts it."""
    universe = Universe(nights=(DEMO_NIGHT,), products_a_night=60, gone_fraction=0)
    async with Simulator(Observatory(universe)) as simulator:
        relay = Relay(int(simulator.url.rpartition(":")[2]), random.Random(seed))  # noqa: S311 - reproducible
        async with listening(relay.answer) as port:
            rig = Rig(simulator, directory / "winter")
            rig.changes["api"] = {"base_url": f"http://127.0.0.1:{port}"}
            types = ["stack", "avro", "exposure"]
            rig.programs = [{"name": PROGRAM, "api_key": key_of(PROGRAM), "image_types": types}]
            return await _watched(rig, relay, answers)


async def _watched(rig: Rig, relay: Relay, answers: int) -> Findings:
    contents = set(rig.truth().values())
    runs = downloaded = most_events = 0
    most_seconds = 0.0
    before = _outside(rig.root)
    while relay.answers < answers:
        if runs % RUNS_A_MIRROR == 0:
            shutil.rmtree(rig.root, ignore_errors=True)
            rig.root = rig.root.with_name(f"winter{runs}")
        rig.events.clear()
        began = time.process_time()
        report = await rig.sync()
        most_seconds = max(most_seconds, time.process_time() - began)
        most_events = max(most_events, len(rig.events))
        downloaded += report.published
        found = {sha256_of_file(rig.root / path) for path in rig.files()}
        assert found <= contents, "a file that the archive does not have"
        assert _outside(rig.root) == before, "something outside of the root"
        assert most_events <= MOST_EVENTS, f"{most_events} events in one run"
        assert most_seconds <= MOST_SECONDS, f"{most_seconds:.1f} s of CPU in one run"
        rig.observatory.clock.advance(timedelta(hours=7))
        runs += 1
    memory = _peak_memory()
    assert memory <= MOST_MEMORY, f"{memory} bytes of memory"
    return Findings(relay.answers, runs, downloaded, most_events, most_seconds, memory, relay.done)


def _peak_memory() -> int:
    """Return the bytes that this program had at most; getrusage(2) counts who started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _outside(root: Path) -> set[str]:
    """Return what lies beside the roots."""
    return {path.name for path in root.parent.iterdir() if not path.name.startswith("winter")}


def main() -> None:
    """Fuzz as much as the command line says."""
    answers = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory(prefix="fuzz-answers-") as directory:
        found = asyncio.run(fuzz(answers, seed, Path(directory)))
    sys.stdout.write(
        f"{found.answers} answers in {found.runs} runs, {found.downloaded} downloads; at most "
        f"{found.most_events} events and {found.most_seconds:.1f} s of CPU in a run, "
        f"{found.memory / 1e6:.0f} MB\n{dict(found.done)}\n"
    )


if __name__ == "__main__":
    main()
