"""Processes of our own for what must cost nothing else: last in line, bounded, with no secret.

They read files that anybody may have written with libraries in C. One that takes too long, asks for
too much memory or crashes ends alone.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME")
"""What such a process sees of our environment: nothing that may be secret."""
_SOURCE = Path(__file__).parents[2]
"""Where this program is; the process must be of the same."""
_LIMITS = ((resource.RLIMIT_AS, 2 * 1024**3), (resource.RLIMIT_DATA, 512 * 1024**2))
"""Bytes of address space and of memory of its own, of which it needs a seventh to a third: a file
that makes a library ask for more is an odd one."""
_LEAST_URGENT = 19


def background_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours in a process of its own."""
    return [sys.executable, "-P", "-m", module, *arguments]


def background_environment() -> dict[str, str]:
    """Return all that such a process sees of our environment."""
    known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    path = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**known, "PYTHONPATH": os.pathsep.join(path), "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def alarm_held() -> Iterator[None]:
    """Hold the kernel's alarm, `signal.setitimer`, for a moment: what takes long then is no file.

    Such as a library that is loaded where it is needed first. Where no alarm is set, none is after.
    """
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)


def take_second_place() -> None:
    """Leave processors and memory to others, as far as the machine lets a process say so.

    Called by such a process; the kernel's alarm, `signal.setitimer`, ends it from then on.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LEAST_URGENT)
    with suppress(OSError):
        # If memory runs out, this process is the one to end.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    for limit, most in _LIMITS:
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
