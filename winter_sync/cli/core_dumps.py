"""No copy of this process's memory, in which its secrets are, ends in a file."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4
"""Of linux/prctl.h."""


def forbid_core_dumps() -> None:
    """Let a crash of this process, or of one that it starts, leave no core dump.

    The limit alone does not hold where the kernel hands dumps to a program (core(5)); there the
    process must say that it is not to be dumped. Then other processes of the same user cannot read
    its memory and environment either; a debugger needs root. Where the system knows no such word,
    or allows no change, the limit that it has set itself stays.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
