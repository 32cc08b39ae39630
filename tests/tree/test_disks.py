"""A disk that fills, refuses or is another one costs a clear message, never a file of the tree."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.disks import as_root, mounted

from winter_sync.core import ProductFinished
from winter_sync.core.downloads import Failed, Published
from winter_sync.core.errors import ExitCode, StorageError
from winter_sync.core.filesystem import is_directory, is_file, is_there
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.rig import DownloadLog, Rig

    from winter_sync.core import Event

ROOMY = 2 * 1024**3
"""What real products of the batches under way would need is set aside beforehand."""


@contextmanager
def roomy_disk(place: Path) -> Iterator[Path]:
    """Mount an ext4 file system of two gigabytes, sparse, so that it costs nothing."""
    image, at = place / "image", place / "disk"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(ROOMY)
    as_root(["mkfs.ext4", "-q", "-m", "0", str(image)])
    as_root(["mount", "-o", "loop", str(image), str(at)])
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)  # noqa: S603, S607 - the system's


def take_all_but(disk: Path, spared: int) -> Path:
    """Take the space of a disk but for some bytes; gives the file that has it."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - spared)
    return ballast


def after(published: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that acts once, when this many products are published."""
    seen = 0

    def listen(event: Event) -> None:
        nonlocal seen
        if isinstance(event, ProductFinished) and isinstance(event.outcome, Published):
            seen += 1
            if seen == published:
                act()

    return listen


def staged(root: Path) -> list[Path]:
    """Return what is left in the staging place."""
    return [path for path in (root / STATE_DIR / "staging").rglob("*") if path.is_file()]


@pytest.mark.fault(
    kind="a disk that is full, in the middle of a file and of the catalog",
    injected="(a small real file system, filled)",
    outcome="the run ends (exit code 6) and says what is needed; with room the next has the rest",
    kept="all that was published",
)
async def test_full_in_the_middle_of_a_run(rig: Rig, tmp_path: Path) -> None:
    """A disk that fills ends the run; what is there is whole, and with space the rest comes.

    The catalog is on the same disk. Where it cannot note a publication the evidence of it stays.
    """
    with roomy_disk(tmp_path) as disk:
        rig.root = disk / "winter"
        rig.listeners.append(after(10, lambda: take_all_but(disk, 64 * 1024)))
        report = await rig.sync()
        assert report.exit_code is ExitCode.STORAGE
        assert "space" in report.errors[-1].remedy
        truth, found = rig.truth(), rig.files()
        assert 10 <= len(found) < len(truth)
        assert found.items() <= truth.items()
        assert not [path for path in staged(rig.root) if path.suffix == ".part"]
        (disk / "ballast").unlink()
        rig.listeners.clear()
        again = await rig.sync()
        assert again.exit_code is ExitCode.DONE
        assert again.published == len(truth) - len(found)
        assert rig.files() == truth
        assert staged(rig.root) == []


@pytest.mark.fault(
    kind="a disk with room for some products, and not for a whole download of them",
    injected="(a small real file system, nearly filled)",
    outcome="what fits is downloaded, few products at a time",
    kept="everything",
)
async def test_a_nearly_full_disk_takes_what_fits(
    rig: Rig, download_log: DownloadLog, tmp_path: Path
) -> None:
    """With space for two products of the usual size all come, though not all at once."""
    with roomy_disk(tmp_path) as disk:
        rig.root = disk / "winter"
        rig.programs = [
            {"name": "2024A000", "image_types": ["exposure", "stack"], "instruments": ["winter"]}
        ]
        take_all_but(disk, 120 * 1000**2)
        report = await rig.sync()
        assert report.exit_code is ExitCode.DONE
        types = (ImageType.STACK, ImageType.EXPOSURE)
        products = [
            each for kind in types for each in rig.observatory.products("2024A000", None, kind)
        ]
        assert rig.files() == rig.truth(each for each in products if "/winter/" in each.savepath)
        assert len(download_log.downloads[0]) * ImageType.STACK.traits.typical_size <= 120 * 1000**2


@pytest.mark.fault(
    kind="a disk with less than min_free left",
    injected="(a small real file system)",
    outcome="nothing is fetched (exit code 6)",
    kept="the space that must stay free",
)
async def test_the_least_that_must_stay_free_stays_free(rig: Rig, tmp_path: Path) -> None:
    """With less than `min_free` left nothing is fetched, and the message says how much is."""
    with mounted("ext4", tmp_path) as disk:
        rig.root = disk / "winter"
        rig.changes["mirror"] = {"min_free": "1 GiB"}
        report = await rig.sync()
        assert report.exit_code is ExitCode.STORAGE
        assert "not enough space" in report.errors[-1].message
        assert rig.files() == {}


@pytest.mark.fault(
    kind="a disk that became read-only",
    injected="(a file system, remounted)",
    outcome="the run ends (exit code 6) with the remedy",
    kept="all that was published",
)
async def test_a_disk_that_became_read_only(rig: Rig, tmp_path: Path) -> None:
    """A read-only disk is reported with its remedy, and nothing is lost."""
    with roomy_disk(tmp_path) as disk:
        rig.root = disk / "winter"
        await rig.sync()
        before = rig.files()
        as_root(["mount", "-o", "remount,ro", str(disk)])
        with pytest.raises(StorageError) as told:
            await rig.sync()
        assert told.value.remedy
        assert rig.files() == before
        as_root(["mount", "-o", "remount,rw", str(disk)])
        assert (await rig.sync()).exit_code is ExitCode.DONE


@pytest.mark.fault(
    kind="a catalog whose disk is full",
    injected="(a small real file system for the state)",
    outcome="the run ends (exit code 6); the next completes it",
    kept="all that was published",
)
async def test_a_catalog_whose_disk_is_full(rig: Rig, tmp_path: Path) -> None:
    """When the catalog cannot be written the run ends; with space the next one completes it."""
    with mounted("tmpfs", tmp_path) as disk:
        rig.changes["mirror"] = {"state": disk / "state"}
        report = await rig.sync()
        assert report.exit_code is ExitCode.STORAGE
        assert "catalog" in report.errors[-1].message
        assert rig.files().items() <= rig.truth().items()
        as_root(["mount", "-o", "remount,size=64m", str(disk)])
        assert (await rig.sync()).exit_code is ExitCode.DONE
        assert rig.files() == rig.truth()


@pytest.mark.fault(
    kind="a root on another file system than the state",
    injected="(two file systems)",
    outcome="nothing: it works",
    kept="everything",
)
async def test_a_root_on_another_disk_than_the_state(rig: Rig, tmp_path: Path) -> None:
    """The catalog may live on another file system than the tree."""
    with roomy_disk(tmp_path) as disk:
        rig.root = disk / "winter"
        rig.changes["mirror"] = {"state": tmp_path / "state"}
        await rig.sync()
        assert rig.files() == rig.truth()
        assert (tmp_path / "state" / "catalog.sqlite3").is_file()
        assert staged(rig.root) == []


def put_directory(place: Path) -> None:
    """Put a directory where a file should be."""
    place.mkdir(parents=True)


def put_file(place: Path) -> None:
    """Put a file where a directory should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.write_bytes(b"mine")


def put_dangling_link(place: Path) -> None:
    """Put a link to nowhere where a directory should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to("nowhere")


def put_loop(place: Path) -> None:
    """Put a link to itself where a directory should be."""
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to(place.parent.name)


def put_link_out(place: Path) -> None:
    """Put a link to another file system where a directory should be."""
    if Path("/dev/shm").stat().st_dev == place.parents[4].stat().st_dev:  # noqa: S108 - looked at
        pytest.skip("needs /dev/shm to be a file system of its own")
    place.parent.parent.mkdir(parents=True)
    place.parent.symlink_to("/dev/shm")  # noqa: S108 - nothing is written there


@pytest.mark.fault(
    kind="something in the way of a file: a directory, a file, a link to nowhere or elsewhere",
    injected="(put into the tree)",
    outcome="the products below it are not asked for, and wait; the run says so (exit code 5)",
    kept="every other product, and what is in the way",
)
@pytest.mark.parametrize(
    "block",
    [put_directory, put_file, put_dangling_link, put_loop, put_link_out],
    ids=lambda block: block.__name__,
)
async def test_what_is_in_the_way_stops_no_other(
    rig: Rig, download_log: DownloadLog, block: Callable[[Path], None]
) -> None:
    """What cannot be put into its place costs no other product and no request."""
    truth = rig.truth()
    chosen = next(path for path in truth if path.endswith("_stack.fits"))
    place = rig.root / chosen
    block(place)
    report = await rig.sync()
    below = place if block is put_directory else place.parent
    blocked = {path for path in truth if (rig.root / path).is_relative_to(below)}
    assert report.exit_code is ExitCode.INCOMPLETE
    assert report.left == len(blocked) >= 1
    assert {name: sha for name, sha in rig.files().items() if name in truth} == {
        path: sha for path, sha in truth.items() if path not in blocked
    }
    names = {path.rpartition("/")[2] for path in blocked}
    assert not names & {asked.rpartition("/")[2] for asked in download_log.asked}
    failures = [event.outcome for event in rig.events if isinstance(event, ProductFinished)]
    reasons = {failure.reason for failure in failures if isinstance(failure, Failed)}
    assert all(str(below) in reason for reason in reasons)
    below.rmdir() if block is put_directory else below.unlink()
    rig.observatory.clock.advance(timedelta(hours=8))
    assert (await rig.sync()).exit_code is ExitCode.DONE
    assert rig.files() == truth


# --- what is there -------------------------------------------------------------------------------


def test_what_is_there_is_distinguished_from_what_is_not(tmp_path: Path) -> None:
    """A link counts as what it leads to; nothing is where something is in the way, or in a ring."""
    file, ring, lost = tmp_path / "file", tmp_path / "ring", tmp_path / "lost"
    file.touch()
    ring.symlink_to(ring)
    lost.symlink_to("nowhere")
    (tmp_path / "link").symlink_to(tmp_path)
    found = {
        path.name: (is_there(path), is_directory(path), is_file(path))
        for path in (file, tmp_path / "link", lost, ring, file / "below", tmp_path / "absent")
    }
    assert found == {
        "file": (True, False, True),
        "link": (True, True, False),
        **dict.fromkeys(("lost", "ring", "below", "absent"), (False, False, False)),
    }


@pytest.mark.parametrize("look", [is_there, is_directory, is_file])
def test_what_cannot_be_known_is_not_taken_for_absent(
    tmp_path: Path, look: Callable[[Path], bool]
) -> None:
    """Since Python 3.14 its own functions say of a path that it is not there when a look fails."""
    with pytest.raises(OSError, match="too long"):
        look(tmp_path / ("x" * 300))
