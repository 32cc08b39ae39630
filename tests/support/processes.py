"""What the kernel says of a process."""

from __future__ import annotations

from pathlib import Path


def state_of(process: int) -> str:
    """Return the letter of its state, as in proc_pid_stat(5); empty if there is no such process."""
    try:
        # Its name comes before, in parentheses, and may have any characters in it.
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(process: int) -> bool:
    """Return whether a process is there, and not only waiting to be forgotten."""
    return state_of(process) not in {"", "Z"}
