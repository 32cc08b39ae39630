"""Standard output and error, in any state: closed, full, ASCII, or with a reader that has gone.

Work never fails because of output. Output that cannot be written is lost; whether that matters is
decided at the end, when the work is done.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from winter_sync.core import ExitCode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_IN, _OUT, _ERR = range(3)
_READER_GONE = errno.EPIPE
_CLOSED = errno.EBADF


class Streams:
    """Standard output and error of this process, once `take_over` was called."""

    def __init__(self) -> None:
        self.is_output_optional = False
        """Whether the exit code is about the work, and not about the output."""
        self._out = _Lenient(_OUT)

    def take_over(self) -> None:
        """Make `sys.stdout` and `sys.stderr` streams that take any text and never fail.

        A closed descriptor is opened on nothing. Otherwise the next file to be opened, such as the
        catalog, would take its number, and output would be written into it.
        """
        for descriptor in (_IN, _OUT, _ERR):
            _open_if_closed(descriptor)
        sys.stdout = _text(self._out, sys.stdout)
        sys.stderr = _text(_Lenient(_ERR), sys.stderr)

    @property
    def is_lost(self) -> bool:
        """Whether something on standard output could not be written: the rest need not be."""
        return self._out.lost is not None

    @property
    def is_reader_gone(self) -> bool:
        """Whether nobody reads standard output any more, known before anything is written."""
        if self.is_lost:
            return True
        asked = select.poll()
        asked.register(_OUT, 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in asked.poll(0))

    def exit_code(self, code: int) -> int:
        """Return the exit code, given that of the work; report output that was lost.

        A reader that closed its end had seen enough: that is not an error. Otherwise a command
        whose only work is its output has failed if that could not be written.
        """
        sys.stdout.flush()
        lost = self._out.lost
        if lost is None or lost.errno == _READER_GONE:
            return code
        if self.is_output_optional and lost.errno == _CLOSED:
            return code
        sys.stderr.write(f"winter-sync: standard output could not be written: {lost.strerror}\n")
        return code if code or self.is_output_optional else ExitCode.STORAGE


class _Lenient(io.RawIOBase):
    """A descriptor to write to; errors are kept for later.

    Parameters
    ----------
    descriptor
        Remains open when this object is closed.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.lost: OSError | None = None
        """The first error."""
        self._descriptor = descriptor

    def write(self, data: ReadableBuffer) -> int:
        """Write some of the data; data that cannot be written count as written."""
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                # A process that shares it made it non-blocking, as ssh and Node.js do.
                select.select([], [self._descriptor], [])
            except OSError as failed:
                self.lost = self.lost or failed
                return memoryview(data).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def _open_if_closed(descriptor: int) -> None:
    """Open a closed standard descriptor so that writing to it fails, as if it were closed.

    The lower ones must be open already: the system returns the lowest free number.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only


def _text(raw: _Lenient, known: TextIO | None) -> TextIO:
    """Return a text stream; characters that its encoding lacks are written as escapes."""
    is_prompt = raw.fileno() == _ERR or raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=known.encoding if known is not None else None,
        errors="backslashreplace",
        line_buffering=is_prompt,
        write_through=raw.fileno() == _ERR,
    )
