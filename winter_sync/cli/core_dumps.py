"""No copy of the memory of this process, which contains its secrets, is written to a file."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4
"""Of linux/prctl.h."""


def forbid_core_dumps() -> None:
    """Prevent core dumps of this process and of those that it starts.

    The limit alone is ignored if the kernel pipes core dumps to a program (core(5)); for that case
    the process must declare itself not dumpable. Other processes of the same user then cannot read
    its memory and environment either; a debugger needs root. On a system that has no such call, or
    that forbids it, only its own limit remains.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
