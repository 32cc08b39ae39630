"""The real command in a process of its own, an archive for it, and secrets that hide badly."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from support import forked
from support.processes import state_of
from yarl import URL

import winter_sync
from winter_sync.simulator import (
    Account,
    Accounts,
    Observatory,
    SimulatedClock,
    Simulator,
    program_record,
)
from winter_sync.simulator.observatory.universe import demo_universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winter_sync.simulator import Faults

CHECKOUT = Path(winter_sync.__file__).parent.parent
USER = "obs+erver@example.org"
PASSWORD = "p@ss/w+rd & 100%:x"
PROGRAM = "2024A000"
OTHER_PROGRAM = "2025B001"
KEYS = {PROGRAM: "k/e+y=&é'7 of A", OTHER_PROGRAM: "k/e+y=&é'7 of B"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a command that ended said, and with what exit code."""

    code: int
    out: str
    err: str


def run(
    *arguments: str | Path,
    home: Path,
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
    patience: float | None = None,
) -> Said:
    """Run the command to its end, in an environment with nothing of the developer's in it.

    One that has not ended after `patience` seconds is killed, and a `TimeoutError` raised.
    """
    known = environment_of(home, environment)
    if not unprivileged and forked.is_possible(known):
        return _run_forked(arguments, home, known, patience)
    ended = subprocess.run(  # noqa: S603 - our own code
        [*(_UNPRIVILEGED if unprivileged else ()), *command(*arguments)],
        env=known,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def _run_forked(
    arguments: Sequence[str | Path],
    home: Path,
    environment: Mapping[str, str],
    patience: float | None,
) -> Said:
    out, err = os.pipe(), os.pipe()
    with Path(os.devnull).open("rb") as nothing:
        started = forked.Command(
            [str(argument) for argument in arguments],
            {0: nothing.fileno(), 1: out[1], 2: err[1]},
            environment=environment,
            directory=home,
        )
    os.close(out[1])
    os.close(err[1])
    # The process ends first, also by an error: the readers wait for its end.
    with ThreadPoolExecutor(2) as readers, started:
        said = [readers.submit(_read, pipe) for pipe in (out[0], err[0])]
        code = started.wait(patience)
    return Said(code, *(text.result() for text in said))


def _read(pipe: int) -> str:
    """Read a pipe to its end, and close it."""
    with open(pipe, encoding="utf-8") as reading:
        return reading.read()


class Keyboard:
    """What is typed at a terminal that a command runs on; usable from any thread."""

    def __init__(self) -> None:
        self._terminal: int | None = None

    def plug_into(self, terminal: int | None) -> None:
        """Type at this terminal from now on, by its descriptor; at none when None."""
        self._terminal = terminal

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal makes a SIGINT of it for whoever is in the foreground."""
        if self._terminal is not None:
            os.write(self._terminal, b"\x03")


def run_on_terminal(
    *arguments: str | Path,
    home: Path,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
    keyboard: Keyboard | None = None,
    typed: Sequence[tuple[str, str]] = (),
) -> Said:
    """Run the command on a terminal of so many columns; all that it draws is in `out`.

    `typed` has what to type, each once a text was drawn that was not there before.
    """
    keyboard = keyboard or Keyboard()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = environment_of(home, {"TERM": "xterm-256color", **(environment or {})})
    keyboard.plug_into(ours)
    started = forked.Command(
        [str(argument) for argument in arguments],
        dict.fromkeys(range(3), theirs),
        environment=environment,
        directory=home,
        foreground=True,
    )
    os.close(theirs)
    with started:
        drawn = b"".join(_read_and_type(ours, started.pid, typed))
        keyboard.plug_into(None)
        os.close(ours)
    return Said(started.wait(), drawn.decode(), "")


def _read_all(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # Linux's way to say that nobody has the other side open any more.
            return
        if not piece:
            return
        yield piece


def _read_and_type(
    terminal: int, process: int, typed: Sequence[tuple[str, str]]
) -> Iterator[bytes]:
    todo = list(typed)
    unread = b""
    for piece in _read_all(terminal):
        yield piece
        unread += piece
        while todo and todo[0][0].encode() in unread:
            prompt, text = todo.pop(0)
            unread = unread.partition(prompt.encode())[2]
            _wait_until_asleep(process)
            os.write(terminal, text.encode())


def _wait_until_asleep(process: int) -> None:
    """Return once a process that has drawn a prompt waits for its answer.

    Ctrl-C in the instant between the two is heard, and acted upon only when the next key is
    pressed: Python has looked for signals already, and then reads.
    """
    while state_of(process) in {"R", "D"}:
        time.sleep(0.001)


def command(*arguments: str | Path) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "winter_sync", *map(str, arguments)]


def environment_of(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which only the checkout and a home are known."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "HOME": str(home)}
    return known | dict(more or {})


_DENIED = "-dac_override,-dac_read_search"
_UNPRIVILEGED = (
    ("setpriv", f"--inh-caps={_DENIED}", f"--bounding-set={_DENIED}") if os.geteuid() == 0 else ()
)
"""Makes permissions count for root, too, where the tests are run by root."""


@contextmanager
def served(
    faults: Faults | None = None, *, date: str | None = None, title: str = "Infrared transients"
) -> Iterator[Simulator]:
    """Serve the demonstration night now, on a thread, to the user and with the keys above.

    The other program is there, but not open to the user; both have the title.
    """
    records = tuple(
        replace(program_record(name, demo_universe().nights), api_key=key, title=title)
        for name, key in KEYS.items()
    )
    accounts = Accounts((Account(USER, PASSWORD, (PROGRAM,)),), records)
    clock = SimulatedClock(datetime.now(UTC), rate=1.0)
    observatory = Observatory(demo_universe(), clock=clock, accounts=accounts)
    with on_a_thread(Simulator(observatory, faults=faults, date=date)) as simulator:
        yield simulator


@contextmanager
def on_a_thread(simulator: Simulator) -> Iterator[Simulator]:
    """Serve a simulator on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
        yield simulator
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def nobody() -> Iterator[str]:
    """Return an address that refuses connections: a port that is bound, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def settings_file(
    directory: Path, *, programs: Iterable[dict[str, Any]] = ({},), **changes: dict[str, Any]
) -> Path:
    """Write settings that are right but for the changes, table by table; None takes a key away."""
    tables: dict[str, dict[str, Any]] = {
        "api": {"user": USER, "password": PASSWORD, "request_interval": 0},
        "mirror": {"root": str(directory / "winter"), "min_free": 0},
        # A process of its own a run, which only its own tests need.
        "facts": {"enabled": False},
    }
    for name, change in changes.items():
        tables.setdefault(name, {}).update(change)
    lines = [line for name, table in tables.items() for line in (f"[{name}]", *_keys(table))]
    for program in programs:
        named = {"name": PROGRAM, "api_key": KEYS[PROGRAM], **program}
        lines += ["[[programs]]", *_keys(named)]
    path = directory / "settings.toml"
    path.touch(0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    """Write a table's keys; JSON's strings, numbers and lists are TOML's as well."""
    for key, value in table.items():
        if value is not None:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"


def leaked(text: str | bytes, *more: str) -> list[str]:
    """Return the forms of the secrets, and of more words, that a text has in it."""
    given = text if isinstance(text, bytes) else text.encode()
    secrets = (USER, PASSWORD, *KEYS.values(), *more)
    forms = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return [form for form in (*forms, *travelling_forms(*secrets)) if form.encode() in given]


def travelling_forms(*secrets: str) -> Iterator[str]:
    """Return the forms in which secrets are sent, or a server may send them back."""
    yield base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for secret in secrets:
        written = (
            str(URL.build(query={"_": secret}))[len("?_=") :],
            secret,
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
        )
        yield from dict.fromkeys(written)
