"""The command in a process forked from one that has imported the program: it starts at once.

What it does, writes and returns is that of a process started anew; only the start of the
interpreter is not tried: what it reads from the environment, and what is imported when.
Run as a program, it is the process to fork from.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LARGEST_MESSAGE = 1 << 17
OF_AN_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_")
"""The beginnings of variables that an interpreter reads when it starts."""
HEAVY = (
    *("astropy.io.fits", "astropy.table", "astropy.time", "astropy.coordinates", "astropy.wcs"),
    *("isal.isal_zlib", "rich.progress", "rich.table"),
)
"""What commands import in functions, and takes long."""


def is_possible(environment: Mapping[str, str]) -> bool:
    """Return whether an environment has nothing in it for an interpreter that starts."""
    names = environment.keys() - {"PYTHONPATH", "PYTHONIOENCODING"}
    return not any(name.startswith(OF_AN_INTERPRETER) for name in names)


class Command:
    """`python -m winter_sync` with these arguments and standard descriptors.

    Parameters
    ----------
    arguments
        Its arguments.
    descriptors
        Standard input, output and error, by their numbers; one that is left out is closed.
    environment, directory
        Its environment and working directory.
    foreground
        Whether its standard input is a terminal that it is in the foreground of.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        descriptors: Mapping[int, int],
        *,
        environment: Mapping[str, str],
        directory: Path,
        foreground: bool = False,
    ) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(_address(environment["PATH"], environment["PYTHONPATH"]))
        order = [list(arguments), dict(environment), str(directory), foreground]
        message = json.dumps([list(descriptors), order]).encode()
        socket.send_fds(self._connection, [message], list(descriptors.values()))
        number, (self._process,), _, _ = socket.recv_fds(self._connection, LARGEST_MESSAGE, 1)
        self.pid = int(number)
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.send_signal(signal.SIGKILL)  # a test that failed must not wait for it for ever
        self.wait()
        self._connection.close()
        os.close(self._process)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, number)

    def terminate(self) -> None:
        """Send it a SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def wait(self, seconds: float | None = None) -> int:
        """Return its exit code once it ends, negative for a signal; raise after these seconds."""
        if self.returncode is None:
            self._connection.settimeout(seconds)
            self.returncode = int(self._connection.recv(LARGEST_MESSAGE))
        return self.returncode


@cache
def _address(path: str, python_path: str) -> str:
    """Start the process to fork from, once; it ends with this one."""
    address = f"winter-sync tests {os.getpid()} {time.monotonic_ns()}"
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", __file__, address],
        # One thread, so that it can be forked.
        env={"PATH": path, "PYTHONPATH": python_path, "HOME": "/", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for those who run the tests, and this process ends with them.
        start_new_session=True,
    )
    atexit.register(process.communicate)
    assert process.stdout is not None
    process.stdout.readline()
    return f"\0{address}"


class _Parent:
    """The process to fork from; listens at an address of the abstract name space."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"\0{address}")
        self._listener.listen()
        self._running: dict[int, tuple[int, socket.socket]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def serve(self) -> list[Any] | None:
        """Fork a child for each order; return the order in the child, and None at the end."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    self._kill_all()
                    return None
                if key.fileobj is not self._listener:
                    self._report(key.fd)
                elif order := self._accept():
                    return order

    def _accept(self) -> list[Any] | None:
        connection, _ = self._listener.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, LARGEST_MESSAGE, 3)
        numbers, order = json.loads(message)
        child = os.fork()
        if not child:
            self._close(connection)
            _take_over(dict(zip(numbers, descriptors, strict=True)))
            return list(order)
        for descriptor in descriptors:
            os.close(descriptor)
        process = os.pidfd_open(child)
        socket.send_fds(connection, [str(child).encode()], [process])
        self._running[process] = child, connection
        self._selector.register(process, selectors.EVENT_READ)
        return None

    def _close(self, connection: socket.socket) -> None:
        """Close in a child what is for the other children."""
        self._selector.close()
        for process, (_, other) in self._running.items():
            os.close(process)
            other.close()
        connection.close()
        self._listener.close()

    def _report(self, ended: int) -> None:
        child, connection = self._running.pop(ended)
        self._selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(child, 0)
        with connection:
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _kill_all(self) -> None:
        for child, _ in self._running.values():
            os.kill(child, signal.SIGKILL)


def _take_over(descriptors: Mapping[int, int]) -> None:
    """Make descriptors standard ones, by their new numbers; close those that are left out."""
    for number in range(3):
        if number in descriptors:
            os.dup2(descriptors[number], number)
        else:
            os.close(number)
    for descriptor in descriptors.values():
        os.close(descriptor)


def _import_all() -> None:
    package = import_module("winter_sync")
    for module in pkgutil.walk_packages(package.__path__, "winter_sync."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in HEAVY:
        import_module(name)
    # What is not collected is not written to either, and stays shared with the children.
    gc.collect()
    gc.freeze()


def _become(
    arguments: list[str],
    environment: dict[str, str],
    directory: str,
    foreground: bool,  # noqa: FBT001 - as it was sent
) -> None:
    """Make of this process what an interpreter is that has just started."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    if foreground:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.argv[1:] = arguments
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        setattr(sys, name, _stream(number, mode, getattr(sys, name)))


def _stream(number: int, mode: str, known: TextIO) -> TextIO | None:
    """Return a standard stream as an interpreter makes it; None where its descriptor is closed."""
    encoding = os.environ.get("PYTHONIOENCODING", known.encoding)
    try:
        return open(number, mode, encoding=encoding, errors=known.errors, closefd=False)  # type: ignore[return-value] # of text
    except OSError:
        return None


def _exit(code: object) -> None:
    """End as an interpreter does, but for taking apart what was imported: it takes longest."""
    threading._shutdown()  # type: ignore[attr-defined] # there is no other name for it
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if isinstance(code, int | None):
        os._exit(code or 0)


def main(address: str) -> None:
    """Serve until standard input ends; in each child run the command."""
    _import_all()
    parent = _Parent(address)
    os.write(1, b"ready\n")
    order = parent.serve()
    if order is not None:
        _become(*order)
        try:
            runpy.run_module("winter_sync", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            _exit(ended.code)


if __name__ == "__main__":
    main(sys.argv[1])
