"""The messages to systemd, as a socket like its own receives them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.daemon.systemd import LONGEST_STATUS, SystemdNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Manager:
    """A service manager: a datagram socket, and what it has received."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))

    def received(self) -> str | None:
        """Return the oldest message that was not asked for yet."""
        try:
            return self.socket.recv(65536, socket.MSG_DONTWAIT).decode()
        except BlockingIOError:
            return None


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager that listens at a path, and one at an abstract name."""
    abstract = f"@winter-sync/test/{uuid.uuid4()}"
    listening = Manager(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    with listening.socket:
        yield listening


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (SystemdNotifier.ready, "READY=1"),
        (SystemdNotifier.stopping, "STOPPING=1"),
        (SystemdNotifier.watchdog, "WATCHDOG=1"),
        (lambda one: one.status("3 of 5 polled"), "STATUS=3 of 5 polled"),
        (lambda one: one.extend_timeout(1.5), "EXTEND_TIMEOUT_USEC=1500000"),
    ],
)
def test_each_message_is_that_of_sd_notify(
    manager: Manager, call: Callable[[SystemdNotifier], None], message: str
) -> None:
    """Each call sends one datagram, with the words of sd_notify(3)."""
    call(SystemdNotifier(manager.address))
    assert manager.received() == message
    assert manager.received() is None


def test_a_reload_says_its_time(manager: Manager) -> None:
    """A reload comes with the monotonic time, in microseconds, in the same datagram."""
    SystemdNotifier(manager.address, clock=lambda: 12_345_678_999).reloading()
    assert manager.received() == "RELOADING=1\nMONOTONIC_USEC=12345678"


def test_the_time_of_a_reload_is_the_systems_own(manager: Manager) -> None:
    """The time that is sent is CLOCK_MONOTONIC, which systemd compares with its own."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    SystemdNotifier(manager.address).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _, _, told = (manager.received() or "").partition("MONOTONIC_USEC=")
    assert before <= int(told) <= after


def test_without_systemd_nothing_happens() -> None:
    """Started by hand, every call does nothing, and nobody watches."""
    notifier = SystemdNotifier.from_environment({})
    notifier.ready()
    notifier.reloading()
    notifier.status("here")
    notifier.extend_timeout(3)
    notifier.watchdog()
    notifier.stopping()
    assert notifier.watchdog_interval is None


@pytest.mark.parametrize(
    "address", ["", "relative", "vsock:2:1234", "/not/there", f"/{'long' * 99}", f"@{'x' * 999}"]
)
def test_an_address_that_leads_nowhere_is_no_failure(address: str) -> None:
    """An address of another kind, too long, or with nobody behind it is passed over."""
    SystemdNotifier.from_environment({"NOTIFY_SOCKET": address}).ready()


def test_only_an_absolute_path_is_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that happens to have such a name below the current directory gets nothing."""
    monkeypatch.chdir(tmp_path)
    listening = Manager("notify")
    with listening.socket:
        SystemdNotifier(listening.address).ready()
        assert listening.received() is None


def test_a_manager_that_does_not_listen_is_not_waited_for(
    manager: Manager,
) -> None:
    """With the manager's queue full, a message is dropped and the call returns."""
    notifier = SystemdNotifier(manager.address)
    for _ in range(5000):
        notifier.watchdog()
    received = 0
    while manager.received() is not None:
        received += 1
    assert 0 < received < 5000


def test_children_learn_nothing_of_it(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd has put into our environment is not passed on to a child."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    SystemdNotifier.from_environment(os.environ).ready()
    assert manager.received() == "READY=1"
    listing = "import os; print(*os.environ)"
    command = [sys.executable, "-c", listing]
    child = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own
    assert not {b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"} & set(child.stdout.split())


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    environ: dict[str, str], interval: float | None
) -> None:
    """The interval is half of what systemd allows, and None if it waits for somebody else."""
    assert SystemdNotifier.from_environment(environ).watchdog_interval == interval


def test_a_status_cannot_say_more_than_a_status(manager: Manager) -> None:
    """Line breaks and control characters in a status become spaces, so no variable is smuggled."""
    SystemdNotifier(manager.address).status(
        "  one\nSTOPPING=1\r\n\x1b[31mtwo\u2028\x85three\udcff "
    )
    assert manager.received() == "STATUS=one STOPPING=1 [31mtwo three"


def test_a_long_status_is_shortened(manager: Manager) -> None:
    """A status longer than a line ends in an ellipsis."""
    SystemdNotifier(manager.address).status("x" * LONGEST_STATUS)
    assert manager.received() == f"STATUS={'x' * LONGEST_STATUS}"
    SystemdNotifier(manager.address).status("x" * (LONGEST_STATUS + 1))
    assert manager.received() == f"STATUS={'x' * (LONGEST_STATUS - 1)}…"


@given(st.text(st.characters()))
def test_every_status_is_one_line_of_text(text: str) -> None:
    """Whatever the text, one printable line arrives that systemd can take."""
    listening = Manager(f"@winter-sync/test/{uuid.uuid4()}")
    with listening.socket:
        SystemdNotifier(listening.address).status(text)
        received = listening.received()
    assert received is not None
    assert received.isprintable()
    assert len(received) <= len("STATUS=") + LONGEST_STATUS
