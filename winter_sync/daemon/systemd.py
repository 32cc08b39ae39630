"""Reports to systemd how the daemon is, in the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

LONGEST_STATUS = 200
"""Characters of a status: `systemctl status` shows it in one line."""
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class SystemdNotifier:
    """Sends messages to systemd, if it started the process; never fails and never waits.

    A message that cannot be sent at once is dropped: systemd does not listen, or cannot keep up.

    Parameters
    ----------
    address
        Where systemd listens, as in `NOTIFY_SOCKET`: a path, or "@" and an abstract name.
        With None or anything else, no message is sent.
    watchdog_interval
        How often to call `watchdog`, in seconds; None where systemd does not expect it.
    clock
        Returns the system's monotonic time in nanoseconds.
    """

    def __init__(
        self,
        address: str | None = None,
        watchdog_interval: float | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.watchdog_interval = watchdog_interval
        self._address = _socket_address(address or "")
        self._clock = clock

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> SystemdNotifier:
        """Return a notifier from systemd's variables in the environment, and remove them there.

        So no child process can send messages in our name. The interval is half of what systemd
        allows, as sd_watchdog_enabled(3) recommends.
        """
        notifier = cls(environ.get("NOTIFY_SOCKET"), _watchdog_interval(environ))
        for variable in _VARIABLES:
            environ.pop(variable, None)
        return notifier

    def ready(self) -> None:
        """Report that the start, or a reload, is done."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that a reload has begun; `ready` must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={self._clock() // 1000}")

    def stopping(self) -> None:
        """Report that the end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; unprintable characters become spaces."""
        self._send(f"STATUS={_line(text)}")

    def watchdog(self) -> None:
        """Report that all is well."""
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for the given number of seconds, from now on, for a start or end under way."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)


def _socket_address(text: str) -> bytes | None:
    if text.startswith("@"):
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Return half of `WATCHDOG_USEC`, in seconds, if it is meant for this process."""
    allowed, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if pid not in {None, str(os.getpid())} or not (allowed.isascii() and allowed.isdigit()):
        return None
    return int(allowed) / 2_000_000 or None


def _line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= LONGEST_STATUS else f"{line[: LONGEST_STATUS - 1]}…"
