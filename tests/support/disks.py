"""Small file systems of our own, on machines that let us mount them."""

from __future__ import annotations

import errno
import subprocess
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FILES = 64
PACKAGES = {
    "mke2fs": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
    "umount": "mount",
}
"""The Debian package that has each command of the system which a test runs."""


@contextmanager
def mounted(kind: str, place: Path) -> Iterator[Path]:
    """Mount a file system of a few megabytes and a few files below a place.

    Parameters
    ----------
    kind
        `tmpfs`, or `ext4` in a file of its own.
    place
        An empty directory.
    """
    at = place / "disk"
    at.mkdir()
    if kind == "tmpfs":
        options = ["-t", "tmpfs", "-o", f"size=1m,nr_inodes={_FILES}", "none"]
    else:
        image = place / "image"
        image.write_bytes(bytes(4 << 20))
        as_root(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-N", f"{_FILES}", str(image)])
        options = ["-o", "loop", str(image)]
    as_root(["mount", *options, str(at)])
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)  # noqa: S603, S607 - the system's


def as_root(command: list[str]) -> None:
    """Run a command that only root may run, or skip the test with what it would take."""
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the system's
    except FileNotFoundError:
        pytest.skip(f"needs {command[0]}: apt install {PACKAGES[command[0]]}")
    except (OSError, subprocess.CalledProcessError) as refused:
        pytest.skip(f"needs root, and a kernel that mounts: {refused}")


def fill(disk: Path) -> Path:
    """Leave no free block; return the file that has them all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            _until_full(file.write, bytes(size))
    return ballast


def fill_inodes(disk: Path) -> None:
    """Leave room for no further file."""
    many = disk / "many"
    many.mkdir()
    numbers = count()
    _until_full(lambda _: (many / str(next(numbers))).touch(), b"")


def _until_full(write: Callable[[bytes], object], piece: bytes) -> None:
    with pytest.raises(OSError, match="No space left") as full:
        write_for_ever(write, piece)
    assert full.value.errno == errno.ENOSPC


def write_for_ever(write: Callable[[bytes], object], piece: bytes) -> NoReturn:
    """Write until it fails."""
    while True:
        write(piece)
