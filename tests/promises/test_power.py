"""When the power fails at any instant, all that was published is there and nothing is half.

The mirror lives on a real ext4 file system of its own, in an image, which the kernel is told to
shut down in the middle of the run: what was not forced to its disk is lost, as in a power cut.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from promises.kills import kill_and_restart, random_instants
from support.disks import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from promises.kills import ArchiveProcess, KillableMirrors

STEPS = (
    "claim",
    "seal",
    "journal",
    "rename",
    "publish",
    "sync directory",
    "commit",
    "forget journal",
)
INSTANTS = 60
INSTANTS_IN_SHORT = 3


class Disk:
    """An ext4 file system in an image; a context manager that mounts and unmounts it."""

    def __init__(self, place: Path) -> None:
        self._image = place / "disk.img"
        self.mount_point = place / "disk"
        self.mount_point.mkdir()
        with self._image.open("wb") as image:
            image.truncate(2 * 1024**3)  # sparse: room for what real products would need
        _run("mkfs.ext4", "-q", str(self._image))

    def mount(self) -> None:
        """Mount it, replaying its log as after a crash."""
        _run("mount", "-o", "loop", str(self._image), str(self.mount_point))

    def unmount(self) -> None:
        """Unmount it."""
        _run("umount", str(self.mount_point))

    def remount(self) -> None:
        """Restore the power."""
        self.unmount()
        self.mount()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed commands


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Return a mounted disk whose power can be cut."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip(f"needs mkfs.ext4: apt install {PACKAGES['mkfs.ext4']}")
    if os.geteuid():
        pytest.skip("needs root, to mount an image")
    made = Disk(tmp_path)
    try:
        made.mount()
    except subprocess.CalledProcessError as refused:
        pytest.skip(f"needs a kernel that mounts an image: {refused.stderr.decode().strip()}")
    yield made
    made.unmount()


def _cut_and_restart(
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    disk: Disk,
    **order: object,
) -> bool:
    root = disk.mount_point / "winter"
    order["mount"] = str(disk.mount_point)
    cut = kill_and_restart(archive, mirrors, root, truth, meanwhile=disk.remount, **order)
    shutil.rmtree(root)
    return cut


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.fault(
    kind="a power cut before and after each step",
    injected="(an ext4 image that is shut down without its log)",
    outcome="what was not forced to the disk is lost, and fetched again",
    kept="whatever had been published",
)
def test_power_fails_at_a_step(  # noqa: PLR0917 - fixtures
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    disk: Disk,
    step: str,
    moment: str,
) -> None:
    """Around each step at which something becomes durable."""
    assert _cut_and_restart(archive, mirrors, truth, disk, step=step, moment=moment, times=2)


def _cuts(
    archive: ArchiveProcess,
    mirrors: KillableMirrors,
    truth: Mapping[str, str],
    disk: Disk,
    count: int,
) -> int:
    return sum(
        _cut_and_restart(archive, mirrors, truth, disk, after=instant)
        for instant in random_instants(mirrors, disk.mount_point / "whole", count)
    )


def test_power_fails_at_random_instants(
    archive: ArchiveProcess, mirrors: KillableMirrors, truth: Mapping[str, str], disk: Disk
) -> None:
    """At random instants; a short form."""
    assert _cuts(archive, mirrors, truth, disk, INSTANTS_IN_SHORT) > 0


@pytest.mark.slow
@pytest.mark.fault(
    kind="a power cut at 60 random instants",
    injected="(the same)",
    outcome="as above",
    kept="whatever had been published",
)
def test_power_fails_at_many_random_instants(
    archive: ArchiveProcess, mirrors: KillableMirrors, truth: Mapping[str, str], disk: Disk
) -> None:
    """At sixty of them."""
    assert _cuts(archive, mirrors, truth, disk, INSTANTS) > INSTANTS // 2
