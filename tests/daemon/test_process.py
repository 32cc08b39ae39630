"""The daemon as a process: real signals, a real systemd socket, two of them, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.command import (
    CHECKOUT,
    KEYS,
    OTHER_PROGRAM,
    PROGRAM,
    command,
    environment_of,
    leaked,
    nobody,
    run,
    served,
    settings_file,
)

from winter_sync.simulator import Answer, Call, Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator

ANY_PORT = {"listen": "127.0.0.1:0"}


class Process:
    """A running daemon: its log as it is written, and its messages to systemd."""

    def __init__(self, process: subprocess.Popen[str], manager: socket.socket) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._manager = manager

    def notified(self, message: str) -> list[str]:
        """Wait for a message to systemd, and return all up to it."""
        heard: list[str] = []
        while not heard or message not in heard[-1].splitlines():
            heard.append(self._manager.recv(4096).decode())
        return heard

    def next_message(self) -> list[str]:
        """Return the lines of the next message to systemd."""
        return self._manager.recv(4096).decode().splitlines()

    def discard_messages(self) -> None:
        """Read all messages to systemd."""
        with suppress(BlockingIOError):
            while True:
                self._manager.recv(4096, socket.MSG_DONTWAIT)

    def logged(self, *events: str) -> dict[str, Any]:
        """Wait for lines of the log, in any order, and return the last one."""
        assert self.process.stderr is not None
        awaited = set(events)
        for text in self.process.stderr:
            self.lines.append(json.loads(text))
            awaited.discard(self.lines[-1]["event"])
            if not awaited:
                return self.lines[-1]
        raise AssertionError(f"it ended without {awaited}: {self.lines}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process, and return its exit code."""
        self.process.send_signal(how)
        assert self.process.stderr is not None
        self.lines += [json.loads(text) for text in self.process.stderr]
        return self.process.wait()


@contextmanager
def running(directory: Path, file: Path, **environment: str) -> Iterator[Process]:
    """Run a daemon with a settings file, under a simulated systemd."""
    path = directory / f"notify-{len(list(directory.iterdir()))}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        process = subprocess.Popen(  # noqa: S603 - our own code
            command("--config", file, "--log-level", "debug", "run"),
            env=environment_of(directory, {"NOTIFY_SOCKET": str(path), **environment}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Process(process, manager)
        finally:
            process.kill()
            process.communicate()


def settings_of(simulator: Simulator, directory: Path, **changes: Any) -> Path:  # noqa: ANN401 - tables
    """Write settings for a daemon."""
    return settings_file(
        directory, **{"api": {"base_url": simulator.url}, "http": ANY_PORT, **changes}
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_mirrors_and_ends_when_asked(tmp_path: Path, how: signal.Signals) -> None:
    """Exit code 0, a message to systemd, and nothing left in staging."""
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        with running(tmp_path, file) as daemon:
            assert "READY=1" in daemon.notified("READY=1")[-1]
            while not any("STATUS=last poll" in message for message in daemon.next_message()):
                pass
            daemon.logged("download ended")
            beside = run("--config", file, "sync", home=tmp_path)
            assert daemon.end(how) == 0
            assert "STOPPING=1" in daemon.notified("STOPPING=1")[-1]
    named = rf"a daemon keeps this mirror, too: process {daemon.process.pid} \(winter-sync .* run\)"
    assert re.search(named, beside.err)
    pages = [line for line in daemon.lines if line["event"] == "pages served"]
    assert [line["address"].startswith("http://127.0.0.1:") for line in pages] == [True]
    arrived = [line for line in daemon.lines if line["event"] == "arrived"]
    assert arrived
    assert all(line["level"] == "info" and line["program"] == PROGRAM for line in arrived)
    assert any((tmp_path / "winter").rglob("*_stack.fits"))
    assert daemon.lines[-1]["event"] == "stopped"
    assert daemon.lines[-1]["published"] > 0
    assert not list((tmp_path / "winter" / ".winter-sync" / "staging").iterdir())
    assert not leaked(json.dumps(daemon.lines, ensure_ascii=False))


def test_it_is_watched_by_its_progress(tmp_path: Path) -> None:
    """With a watchdog it reports that all is well, in time, with a status for people."""
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        with running(tmp_path, file, WATCHDOG_USEC="200000") as daemon:
            heard = daemon.notified("WATCHDOG=1") + daemon.notified("WATCHDOG=1")
            assert any("STATUS=" in message for message in heard)
            assert daemon.end() == 0


@pytest.mark.fault(
    kind="the process is stopped for longer than its patience, and goes on",
    injected="(SIGSTOP, then SIGCONT)",
    outcome="it lives, polls what became due and finishes its downloads",
    kept="everything",
)
def test_a_process_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """As with a container that is paused: nothing was stuck, and systemd is notified at once."""
    go_on = threading.Event()

    class Waiting(Faults):
        def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            del call
            return self._waiting(chunks)

        async def _waiting(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for chunk in chunks:
                yield chunk
                await asyncio.to_thread(go_on.wait)

    patience = 6
    with served(Waiting()) as simulator:
        waits = {"query_timeout": "2s", "first_byte_timeout": "2s"}
        file = settings_of(
            simulator,
            tmp_path,
            api={"base_url": simulator.url, **waits},
            daemon={"stall_after": f"{patience}s"},
            schedule={"poll_every": "5s", "sweep_every": "5s"},
        )
        with running(tmp_path, file, WATCHDOG_USEC="2000000") as daemon:
            daemon.logged("download started")
            daemon.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
            daemon.discard_messages()
            # The kernel's own clock, which a test cannot drive, must go on for longer than that.
            go_on.wait(patience + 2)
            daemon.process.send_signal(signal.SIGCONT)
            assert "WATCHDOG=1" in daemon.next_message()
            resumed = daemon.logged("resumed after being suspended")
            assert resumed["seconds"] > patience
            go_on.set()
            daemon.logged("polled", "download ended")
            assert daemon.end() == 0
    assert any((tmp_path / "winter").rglob("*_stack.fits"))


def test_a_refused_program_is_in_the_status(tmp_path: Path) -> None:
    """The status in systemd says what the daemon cannot do."""
    with served() as simulator:
        file = settings_of(simulator, tmp_path, programs=[{"api_key": "wrong"}])
        with running(tmp_path, file) as daemon:
            daemon.notified(
                "STATUS=credentials refused for 2024A000; "
                "no poll has succeeded yet, 0 downloaded (0 B)"
            )
            assert daemon.end() == 0


def test_a_reload_is_reported(tmp_path: Path) -> None:
    """RELOADING and READY again, whether the new settings are right or not."""
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        with running(tmp_path, file) as daemon:
            daemon.notified("READY=1")
            right = file.read_text()
            file.write_text(right + "[nonsense]\n")
            daemon.process.send_signal(signal.SIGHUP)
            heard = daemon.notified("READY=1")
            assert any(
                re.search(r"^RELOADING=1\nMONOTONIC_USEC=\d+$", message) for message in heard
            )
            refused = daemon.logged("new settings refused; the old ones stay in use")
            assert "nonsense" in refused["reason"]
            file.write_text(right)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.notified("READY=1")
            daemon.logged("settings reloaded")
            assert daemon.end() == 0


def test_a_reload_learns_new_secrets(tmp_path: Path) -> None:
    """A key that was added by a reload is kept out of the log as the first ones are."""

    class Echo(Faults):
        async def before(self, call: Call) -> Answer | None:
            if call.program != OTHER_PROGRAM:
                return None
            said = f"no program has the key {KEYS[OTHER_PROGRAM]}"
            return Answer(401, json.dumps({"detail": said}).encode())

    with served(Echo()) as simulator:
        file = settings_of(simulator, tmp_path)
        with running(tmp_path, file) as daemon:
            daemon.notified("READY=1")
            other = {"name": OTHER_PROGRAM, "api_key": KEYS[OTHER_PROGRAM]}
            settings_of(simulator, tmp_path, programs=[{}, other])
            daemon.process.send_signal(signal.SIGHUP)
            assert "[secret]" in daemon.logged("program refused")["reason"]
            assert daemon.end() == 0
    assert not leaked(json.dumps(daemon.lines, ensure_ascii=False))


def test_a_reload_while_it_begins_is_put_off(tmp_path: Path) -> None:
    """SIGHUP before it can be handled ends nothing: the settings are read once more afterwards."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import winter_sync.daemon.configuration as configuration\n"
        "check = configuration.require_ready\n"
        "def require_ready(settings):\n"
        "    configuration.require_ready = check\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    return check(settings)\n"
        "configuration.require_ready = require_ready\n"
    )
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        path = f"{tmp_path}:{CHECKOUT}"
        with running(tmp_path, file, PYTHONPATH=path) as daemon:
            daemon.logged("settings reloaded")
            assert daemon.end() == 0
    assert [line["event"] for line in daemon.lines].count("settings reloaded") == 1


@pytest.mark.fault(
    kind="two daemons on one root",
    injected="(a second process)",
    outcome="the second says who holds it, and leaves (exit code 2)",
    kept="everything",
)
def test_a_second_daemon_leaves(tmp_path: Path) -> None:
    """It says which process is first; killed, the first leaves nothing that would block another."""
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        with running(tmp_path, file) as first:
            first.notified("READY=1")
            second = run("--config", file, "run", home=tmp_path)
            assert second.code == 2
            assert f"process {first.process.pid} (winter-sync " in second.err
            assert run("--config", file, "sync", home=tmp_path).code == 0
            assert first.process.poll() is None
            first.end(signal.SIGKILL)
        with running(tmp_path, file) as third:
            third.notified("READY=1")
            assert third.end() == 0


def test_a_fault_of_its_own_is_loud(tmp_path: Path) -> None:
    """A daemon of which a part failed ends with exit code 1 and says why."""
    (tmp_path / "sitecustomize.py").write_text(
        "from winter_sync.sync.poller import Poller\n"
        "async def die(*_): raise ZeroDivisionError('of its own')\n"
        "Poller.poll = die\n"
    )
    with served() as simulator:
        file = settings_of(simulator, tmp_path)
        path = f"{tmp_path}:{CHECKOUT}"
        with running(tmp_path, file, PYTHONPATH=path) as daemon:
            died = daemon.logged("stopped by an internal fault")
            assert died["level"] == "critical"
            assert "ZeroDivisionError: of its own" in died["exception"]
            assert daemon.process.wait() == 1


@pytest.mark.parametrize(
    ("table", "changes", "code", "said"),
    [
        ("mirror", {"root": None}, 2, "no directory for the mirror is set"),
        ("http", {"listen": "192.0.2.1:80"}, 2, "cannot listen on 192.0.2.1:80: Cannot assign"),
        ("mirror", {"root": "/nowhere/winter"}, 6, "/nowhere does not exist"),
    ],
)
def test_what_cannot_begin_says_why(
    tmp_path: Path, table: str, changes: dict[str, Any], code: int, said: str
) -> None:
    """Before any work starts, with the documented exit code."""
    with nobody() as url:
        tables: dict[str, Any] = {"api": {"base_url": url}, "http": ANY_PORT, table: changes}
        ended = run("--config", settings_file(tmp_path, **tables), "run", home=tmp_path)
    assert ended.code == code
    assert said in ended.err


def test_its_pages_answer(tmp_path: Path) -> None:
    """Health, readiness, metrics and status, at the address of the settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with served() as simulator:
        file = settings_file(tmp_path, api={"base_url": simulator.url}, http={"listen": address})
        with running(tmp_path, file) as daemon:
            daemon.notified("READY=1")
            daemon.logged("download ended")
            for path in ("/healthz", "/readyz"):
                assert json.loads(fetched(address, path))["ok"] is True
            assert b"winter_sync_polls_total" in fetched(address, "/metrics")
            shown = run("--config", file, "status", "--json", home=tmp_path)
            ours, theirs = json.loads(shown.out), json.loads(fetched(address, "/api/status"))
            assert ours["totals"]["published"] == theirs["totals"]["published"] > 0
            assert daemon.end() == 0
        with pytest.raises(urllib.error.URLError):
            fetched(address, "/healthz")


def test_pages_for_other_machines_are_reported(tmp_path: Path) -> None:
    """The log warns once, at the start; a request under a name not in the settings gets 421."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http = {"listen": f"0.0.0.0:{port}", "hosts": ["mirror.example.org"], "trusted_proxy": True}
    with served() as simulator:
        file = settings_of(simulator, tmp_path, http=http)
        with running(tmp_path, file) as daemon:
            daemon.notified("READY=1")
            assert fetched(f"127.0.0.1:{port}", "/healthz", "mirror.example.org")
            with pytest.raises(urllib.error.HTTPError, match="421"):
                fetched(f"127.0.0.1:{port}", "/healthz", "evil.example")
            assert daemon.end() == 0
    (warned,) = [line for line in daemon.lines if "other machines" in line["event"]]
    assert (warned["level"], warned["listen"]) == ("warning", http["listen"])
    assert "token_file" in warned["remedy"]
    (served_at,) = [line for line in daemon.lines if line["event"] == "pages served"]
    assert (served_at["level"], served_at["address"]) == ("info", f"http://0.0.0.0:{port}/")


def fetched(address: str, path: str, host: str | None = None) -> bytes:
    """Get a page, under another host name if one is given."""
    named = urllib.request.Request(f"http://{address}{path}", headers={"Host": host or address})
    with urllib.request.urlopen(named) as answer:  # noqa: S310 - the same
        page: bytes = answer.read()
        return page


@pytest.mark.parametrize("form", ["json", "human"])
def test_the_journal_learns_the_level_of_each_line(tmp_path: Path, form: str) -> None:
    """Where journald reads the log, each line begins with its priority."""
    ours, theirs = socket.socketpair()
    where = os.fstat(theirs.fileno())
    stream = {"JOURNAL_STREAM": f"{where.st_dev}:{where.st_ino}"}
    with served() as simulator, ours:
        file = settings_of(simulator, tmp_path, programs=[{"api_key": "wrong"}])
        daemon = subprocess.Popen(  # noqa: S603 - our own code
            command("--config", file, "--log-format", form, "run"),
            env=environment_of(tmp_path, stream),
            stderr=theirs.fileno(),
        )
        theirs.close()
        said = b""
        while b"program refused" not in said and (more := ours.recv(65536)):
            said += more
        daemon.terminate()
        daemon.wait()
    graveness = {
        event: line[:3]
        for line in said.decode().splitlines()
        for event in ("started", "program refused")
        if event in line
    }
    assert graveness == {"started": "<6>", "program refused": "<3>"}


@pytest.mark.parametrize("reader", ["full", "gone"])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, reader: str) -> None:
    """Lines are lost when the disk is full or no process reads them; the mirror is not."""
    with served() as simulator, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        file = settings_of(simulator, tmp_path)
        ours, theirs = os.pipe()
        os.close(ours)
        log = os.open("/dev/full", os.O_WRONLY) if reader == "full" else theirs
        daemon = subprocess.Popen(  # noqa: S603 - our own code
            command("--config", file, "--log-level", "debug", "run"),
            env=environment_of(tmp_path, {"NOTIFY_SOCKET": str(tmp_path / "notify")}),
            stderr=log,
        )
        while b"STATUS=last poll" not in (heard := manager.recv(4096)):
            assert b"STOPPING" not in heard
        daemon.terminate()
        assert daemon.wait() == 0
        for descriptor in {log, theirs}:
            os.close(descriptor)
