"""Unwritable output affects no work, and no text of the archive controls a terminal."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from support import forked
from support.command import (
    command,
    environment_of,
    run,
    run_on_terminal,
    served,
    settings_file,
)

from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.simulator import (
    Answer,
    Call,
    Faults,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from winter_sync.simulator import Simulator

    Process = subprocess.Popen[bytes] | forked.Command

NIGHT = "20251023"
PRODUCTS = 10
"""Products of the demonstration night for the settings of these tests."""


@dataclass(frozen=True, slots=True)
class Output:
    """Standard output and error of a command."""

    redirected: str = ""
    """Redirections of the shell; otherwise they are files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[int], None] | None = None
    """What is done at the other end, if standard output is a pipe."""
    blocking: bool = True
    lost: str = ""
    """The system's error when standard output is written; empty for a pipe."""


def leave(end: int) -> None:
    """Read nothing at all."""
    os.close(end)


def read_a_line(end: int) -> None:
    """Read as `head -1` does."""
    while (piece := os.read(end, 16)) and b"\n" not in piece:
        pass
    os.close(end)


def read_slowly(end: int) -> None:
    """Read all, in small pieces."""
    while os.read(end, 7):
        pass
    os.close(end)


FULL = "No space left on device"
CLOSED = "Bad file descriptor"
REDIRECTION = re.compile(r"(\d?)([<>])(\S+)")
PLAIN = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}
OUTPUTS = {
    "no input": Output("<&-"),
    "no output": Output(">&-", lost=CLOSED),
    "no error": Output("2>&-"),
    "neither": Output(">&- 2>&-", lost=CLOSED),
    "none of the three": Output("<&- >&- 2>&-", lost=CLOSED),
    "full output": Output(">/dev/full", lost=FULL),
    "full error": Output("2>/dev/full"),
    "both full": Output(">/dev/full 2>/dev/full", lost=FULL),
    "reader gone": Output(read=leave),
    "reader of both gone": Output("2>&1", read=leave),
    "head -1": Output(read=read_a_line),
    "head -1 of both": Output("2>&1", read=read_a_line),
    "pipe that does not block": Output("2>&1", read=read_slowly, blocking=False),
    "ASCII": Output(environment={"PYTHONIOENCODING": "ascii"}),
    "ASCII locale": Output(environment=PLAIN),
    "Latin-1": Output(environment={"PYTHONIOENCODING": "latin-1"}),
}
SOME = {name: OUTPUTS[name] for name in ("none of the three", "both full", "ASCII")}


def _some_in_short(outputs: Mapping[str, Output]) -> pytest.MarkDecorator:
    """Return the test of each output; in the everyday run of every third one."""
    slow = pytest.mark.slow
    params = [
        pytest.param(output, id=name, marks=[slow] if number % 3 else [])
        for number, (name, output) in enumerate(outputs.items())
    ]
    return pytest.mark.parametrize("output", params)


each_output = _some_in_short(OUTPUTS)
some_outputs = _some_in_short(SOME)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and the output that could be read."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Start:
    """A command line, to be started with some output."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    home: Path
    redirected: str
    out: int

    def start(self) -> Process:
        """Start it; with an interpreter of its own if it is light or reads the environment."""
        is_light = self.arguments[0] in {"--help", "--version"}
        if is_light or not forked.is_possible(self.environment):
            return self._start_anew()
        with ExitStack() as stack:
            return self._fork(stack)

    def _start_anew(self) -> Process:
        script = f'exec "$@" 2>"$ERR" {self.redirected}'
        return subprocess.Popen(  # noqa: S603 - our own code
            ["/bin/sh", "-c", script, "sh", *command(*self.arguments)],
            env={**self.environment, "ERR": str(self.home / "err")},
            cwd=self.home,
            stdout=self.out,
        )

    def _fork(self, stack: ExitStack) -> Process:
        """Do what the shell does with the redirections: `N>PATH`, `N>&M`, and `N>&-`."""

        def opened(path: str | Path, flags: int) -> int:
            descriptor = os.open(path, flags, 0o600)
            stack.callback(os.close, descriptor)
            return descriptor

        err = opened(self.home / "err", os.O_WRONLY | os.O_CREAT)
        descriptors = {0: opened(os.devnull, os.O_RDONLY), 1: self.out, 2: err}
        for number, sign, target in REDIRECTION.findall(self.redirected):
            which = int(number or (0 if sign == "<" else 1))
            if target == "&-":
                del descriptors[which]
            elif target == "&1":
                descriptors[which] = descriptors[1]
            else:
                descriptors[which] = opened(target, os.O_WRONLY)
        return forked.Command(
            self.arguments, descriptors, environment=self.environment, directory=self.home
        )


@contextmanager
def writing_to(output: Output, *arguments: str | Path, home: Path) -> Iterator[Process]:
    """Start a command with this output, or with the files `out` and `err`."""
    with ExitStack() as stack:
        if output.read is None:
            out = stack.enter_context((home / "out").open("wb")).fileno()
        else:
            reading, out = os.pipe()
            os.set_blocking(out, output.blocking)
            stack.callback(os.close, out)
        words = tuple(str(argument) for argument in arguments)
        environment = environment_of(home, output.environment)
        process = Start(words, environment, home, output.redirected, out).start()
        stack.close()
        if output.read is not None:
            reader = threading.Thread(target=output.read, args=(reading,))
            reader.start()
            stack.callback(reader.join)
        with process:
            yield process


def written_to(output: Output, *arguments: str | Path, home: Path) -> Ended:
    """Run a command to its end."""
    with writing_to(output, *arguments, home=home) as process:
        code = process.wait()
    return ended(code, home)


def ended(code: int, home: Path) -> Ended:
    """Collect the output of a command that ended; there must be no traceback in it."""
    texts = [
        (home / name).read_bytes() if (home / name).exists() else b"" for name in ("out", "err")
    ]
    out, err = (text.decode("latin-1") for text in texts)
    for sign in ("Traceback", "stopped by an internal fault", "Error:", "Exception ignored"):
        assert sign not in out + err
    return Ended(code, out, err)


def assert_reported(output: Output, found: Ended) -> None:
    """Assert that a command that only shows something fails if it cannot, and says why."""
    assert found.code == (ExitCode.STORAGE if output.lost else ExitCode.DONE)
    said = f"winter-sync: standard output could not be written: {output.lost}\n"
    if output.lost and "2>" not in output.redirected:
        assert found.err.endswith(said)
    else:
        assert "could not be written" not in found.err


def files_of(home: Path) -> list[Path]:
    """Find all files in the tree."""
    tree = home / "winter"
    return [path for path in tree.rglob("*") if path.is_file() and STATE_DIR not in path.parts]


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve an archive to all tests that need no other."""
    with served() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def mirrored(archive: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mirror the archive once; return the settings."""
    home = tmp_path_factory.mktemp("mirrored")
    settings = settings_file(home, api={"base_url": archive.url})
    assert run("--config", settings, "sync", home=home).code == ExitCode.DONE
    return settings


# --- commands that only show something -----------------------------------------------------------


@each_output
@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_is_shown_or_its_loss_is_reported(
    arguments: tuple[str, ...], output: Output, tmp_path: Path
) -> None:
    """Help that cannot be written is a failure with a reason; if nobody reads it, it is not."""
    assert_reported(output, written_to(output, *arguments, home=tmp_path))


@each_output
@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("check",)])
def test_a_question_is_answered_or_the_loss_is_reported(
    arguments: tuple[str, ...], output: Output, mirrored: Path, tmp_path: Path
) -> None:
    """A status or check that cannot be written exits with 6; one cut off by its reader does not."""
    assert_reported(output, written_to(output, "--config", mirrored, *arguments, home=tmp_path))


@each_output
def test_a_fault_that_is_found_counts_more_than_output(
    output: Output, archive: Simulator, tmp_path: Path
) -> None:
    """The findings of a check decide its exit code, whether or not they could be shown."""
    wrong = settings_file(tmp_path, api={"base_url": archive.url}, programs=[{"api_key": "wrong"}])
    found = written_to(output, "--config", wrong, "check", home=tmp_path)
    assert found.code == ExitCode.REFUSED


@each_output
def test_an_error_keeps_its_code(output: Output, tmp_path: Path) -> None:
    """Wrong settings are exit code 2, wherever the message goes."""
    absent = tmp_path / "näher.toml"
    found = written_to(output, "--config", absent, "sync", home=tmp_path)
    assert found.code == ExitCode.USAGE


@pytest.mark.parametrize("name", ["ASCII", "ASCII locale", "Latin-1"])
def test_what_an_encoding_lacks_is_written_as_an_escape(name: str, tmp_path: Path) -> None:
    """A title that ASCII or Latin-1 lacks is shown with escapes, and the check continues."""
    with served(title="\u0160\u00e1rka \u2013 \u03b1") as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        found = written_to(OUTPUTS[name], "--config", settings, "check", home=tmp_path)
    shown = "\u0160\u00e1rka \u2013 \u03b1".encode(
        "latin-1" if name == "Latin-1" else "ascii", "backslashreplace"
    )
    assert found.code == ExitCode.DONE
    assert shown.decode("latin-1") in found.out


# --- commands that work --------------------------------------------------------------------------


@each_output
@pytest.mark.parametrize("arguments", [("sync",), ("backfill", "--from", NIGHT, "--to", NIGHT)])
def test_products_arrive_whatever_output_is(
    arguments: tuple[str, ...], output: Output, archive: Simulator, tmp_path: Path
) -> None:
    """Every product is in the tree, and the exit code is that of the work."""
    settings = settings_file(tmp_path, api={"base_url": archive.url})
    found = written_to(output, "--config", settings, *arguments, home=tmp_path)
    assert found.code == ExitCode.DONE
    assert len(files_of(tmp_path)) == PRODUCTS


@each_output
def test_files_are_verified_whatever_output_is(
    output: Output, mirrored: Path, tmp_path: Path
) -> None:
    """The exit code says whether all files are right, also where nothing can be shown."""
    found = written_to(output, "--config", mirrored, "verify", home=tmp_path)
    assert found.code == ExitCode.DONE


@pytest.mark.slow
@some_outputs
def test_a_demo_is_made_whatever_output_is(output: Output, tmp_path: Path) -> None:
    """The demonstration mirrors, compares, and exits with the code of its verification."""
    found = written_to(output, "demo", "--root", tmp_path / "winter", home=tmp_path)
    assert found.code == ExitCode.DONE
    assert len(files_of(tmp_path)) > PRODUCTS


class Stops(Faults):
    """Ends a daemon by SIGTERM at its first download; a second one would stop it at once."""

    def __init__(self) -> None:
        self.process: Process | None = None
        self.started = threading.Event()

    async def before_zip(self, call: Call) -> Answer | None:
        """Ask it to stop; it finishes the downloads under way."""
        del call
        self.started.wait()
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
        return None


@each_output
def test_a_daemon_works_whatever_output_is(output: Output, tmp_path: Path) -> None:
    """It mirrors, stops when told to, and the downloads under way are in the tree."""
    stops = Stops()
    with served(stops) as archive:
        settings = settings_file(
            tmp_path, api={"base_url": archive.url}, http={"listen": "127.0.0.1:0"}
        )
        with writing_to(output, "--config", settings, "run", home=tmp_path) as process:
            stops.process = process
            stops.started.set()
            process.wait()
    assert ended(process.wait(), tmp_path).code == ExitCode.DONE
    assert files_of(tmp_path)


@each_output
def test_a_simulator_serves_whatever_output_is(output: Output, tmp_path: Path) -> None:
    """It answers, though its address cannot be printed, and exits with 0 when asked to."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    night = ("--night", NIGHT, "--products", "1")
    with writing_to(output, "simulate", "--port", str(port), *night, home=tmp_path) as process:
        try:
            wait_for(port, process)
        finally:
            process.terminate()
    assert ended(process.wait(), tmp_path).code == ExitCode.DONE


def wait_for(port: int, process: Process) -> None:
    """Return once somebody listens on a port; fail if the process ends before."""
    pidfd = os.pidfd_open(process.pid)
    try:
        while not select.select([pidfd], [], [], 0.02)[0]:
            with closing(socket.socket()) as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
    finally:
        os.close(pidfd)
    pytest.fail(f"it ended with {process.wait()}")


# --- what the archive says -----------------------------------------------------------------------

EVIL = "\x1b]0;taken\x07\x1b[2J\x1b[5mEVIL\r\x9b31m\x85\u202eEVIL\u2066\nwinter-sync: all is well"
"""Sets the title, rings, clears, blinks, goes back, colours in C1, turns text round, forges."""
ITS_OWN = re.compile(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]|\x1b\[[0-9;]*m|\r(?=\n|\x1b\[)")
"""What rich and the terminal itself write: cursor, colours, ends of lines."""
CLEAR, BLINK = "\x1b[2J", "\x1b[5m"


class Hostile(Faults):
    """Adds escape sequences to everything that the archive sends."""

    def __init__(self, status: int | None = None, where: str = "") -> None:
        self._status = status
        self._where = where

    async def before(self, call: Call) -> Answer | None:
        """Refuse some calls, with a reason."""
        if self._status is None or call.path != self._where:
            return None
        return Answer(self._status, json.dumps({"detail": EVIL}).encode())

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Add rows whose every text is hostile, and make hostile what is only described."""
        del call
        rows = [{**row, "targname": EVIL, "progtitle": EVIL} for row in body["body"]]
        night = f"/data/loki/data/winter/{NIGHT}/final"
        paths = (f"{night}/{EVIL}.fits", f"{night}/..{EVIL}", EVIL, f"/data/{EVIL}/{NIGHT}/a.fits")
        more = [{**row, "savepath": path} for row in rows[:1] for path in paths]
        return {**body, "msg": EVIL, "body": [*rows, *more]}


def assert_harmless(drawn: str) -> None:
    """Assert that the only control sequences in the output are those of rich."""
    assert CLEAR not in drawn
    assert BLINK not in drawn
    left = ITS_OWN.sub("", drawn)
    assert [letter for letter in left if not letter.isprintable() and letter != "\n"] == []
    assert not [line for line in left.splitlines() if line.startswith("winter-sync: all is well")]


HOSTILE_COMMANDS = {
    "check": ("check",),
    "sync": ("sync",),
    "backfill": ("backfill", "--from", NIGHT, "--to", NIGHT),
    "verify": ("verify", "--repair"),
    "status": ("status",),
    "status --json": ("status", "--json"),
}


@pytest.mark.parametrize("arguments", HOSTILE_COMMANDS.values(), ids=HOSTILE_COMMANDS)
@pytest.mark.parametrize(
    ("status", "where"),
    [
        (None, ""),
        (400, "/images/download_list"),
        (404, "/images/query"),
        (422, "/images/query"),
        (401, "/validation/program"),
        (401, "/validation/user"),
    ],
)
def test_nothing_of_the_archive_steers_a_terminal(
    status: int | None, where: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Escape sequences in titles, paths and reasons are shown escaped, or not at all."""
    with served(Hostile(status, where), title=EVIL) as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        options = ("--config", settings, "--log-level", "debug", "--log-format", "human")
        if arguments[0] in ("status", "verify"):
            run("--config", settings, "sync", home=tmp_path)
        said = run_on_terminal(*options, *arguments, home=tmp_path)
    assert "Traceback" not in said.out
    assert said.code != ExitCode.FAULT
    assert_harmless(said.out)


def test_a_hostile_title_is_written_out(tmp_path: Path) -> None:
    """The contents of a title can still be read by whoever needs to know them."""
    with served(title=EVIL) as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        said = run_on_terminal("--config", settings, "check", home=tmp_path, columns=500)
    assert r"\x1b]0;taken\x07\x1b[2J\x1b[5mEVIL\r\x9b31m\x85\u202eEVIL\u2066\n" in said.out
