"""Files deleted, cut, touched or replaced by hand are noticed, and can be restored."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from rich.console import Console
from support.command import (
    KEYS,
    OTHER_PROGRAM,
    command,
    environment_of,
    run,
    served,
    settings_file,
)
from support.editions import downgrade
from support.rig import Rig, path_of

from winter_sync.catalog.records import Scope
from winter_sync.cli.screen import Screen
from winter_sync.cli.verify import VerifyDisplay
from winter_sync.cli.views.status import show
from winter_sync.cli.views.verify_json import result_as_json
from winter_sync.cli.views.verify_report import summary
from winter_sync.core import FilesChanged, FilesLost, end_of
from winter_sync.core.clocks import Time
from winter_sync.core.errors import ExitCode, StorageError, UsageError
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.factory import open_existing_catalog, open_mirror
from winter_sync.maintenance import Request, Result
from winter_sync.maintenance import verify as verify_files
from winter_sync.monitoring import status, status_json
from winter_sync.simulator import DEMO_NIGHT
from winter_sync.sync.newest_files import check_newest
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.rig import DownloadLog

STACKS = [{"name": name, "image_types": ["stack"]} for name in ("2024A000", "2025B001")]


@pytest.fixture
async def here(rig: Rig) -> Rig:
    """Return a mirror of the stacks of two programs and both cameras, all downloaded."""
    rig.programs = [{**stack, "instruments": ["winter", "spring"]} for stack in STACKS]
    await rig.sync()
    return rig


async def verify(rig: Rig, **how: Any) -> Result:  # noqa: ANN401 - the fields of a request
    """Verify a mirror."""
    display = VerifyDisplay(Screen(stderr=True), structlog.get_logger())
    return await verify_files(rig.settings(), Request(**how), display)


def as_json(result: Result) -> dict[str, Any]:
    """Return the result as a script reads it."""
    read: dict[str, Any] = json.loads(result_as_json(result))
    return read


def names(found: list[dict[str, Any]]) -> set[str]:
    """Return the paths of a list of the JSON."""
    return {file["path"] for file in found}


def some(rig: Rig, count: int) -> list[str]:
    """Return paths of files in the tree."""
    return sorted(rig.files())[:count]


# --- what is wrong, kind by kind ------------------------------------------------------------------


def delete(path: Path) -> None:
    """Delete a file."""
    path.unlink()


def delete_directory(path: Path) -> None:
    """Put a file where the directory of a file was."""
    shutil.rmtree(path.parent)
    path.parent.touch()


def cut(path: Path) -> None:
    """Cut a file short."""
    os.truncate(path, path.stat().st_size - 1)


def append(path: Path) -> None:
    """Add a byte."""
    with path.open("ab") as file:
        file.write(b"\0")


def flip(path: Path) -> None:
    """Change one byte, and hide it: size and time stay."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit(path: Path) -> None:
    """Change one byte as an editor does."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(0, 12_345_678_901))


def link(path: Path) -> None:
    """Move the file elsewhere and leave a link."""
    elsewhere = path.parents[3].with_name(path.name)
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def make_directory(path: Path) -> None:
    """Put a directory in its place."""
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    """Put a pipe in its place, on which a careless reader waits forever."""
    path.unlink()
    os.mkfifo(path)


def listen(path: Path) -> None:
    """Put a socket in its place."""
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


@dataclass(frozen=True)
class Harm:
    """Damage to a file, its kind, and whether a quick check sees it."""

    do: Callable[[Path], None]
    kind: str
    at_a_glance: bool = True


HARMS = [
    Harm(delete, "missing"),
    Harm(delete_directory, "missing"),
    Harm(cut, "changed"),
    Harm(append, "changed"),
    Harm(flip, "changed", at_a_glance=False),
    Harm(edit, "changed"),
    Harm(link, "changed"),
    Harm(make_directory, "changed"),
    Harm(pipe, "changed"),
    Harm(listen, "changed"),
]


async def test_a_mirror_that_is_right_is_right(here: Rig) -> None:
    """Everything is read, nothing is wrong, and the result says how much was read."""
    files = here.files()
    result = await verify(here)
    assert result.exit_code is ExitCode.DONE
    assert as_json(result)["checked"] == len(files)
    assert as_json(result)["bytes"] == sum((here.root / path).stat().st_size for path in files)
    assert set(as_json(result)["counts"].values()) == {0}
    assert summary(result).endswith("; all are as they were downloaded.")
    quick = await verify(here, quick=True)
    assert quick.exit_code is ExitCode.DONE
    assert as_json(quick)["checked"] == len(files)
    assert as_json(quick)["bytes"] == 0


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.do.__name__)
async def test_whatever_is_done_to_a_file_is_found_and_named(here: Rig, harm: Harm) -> None:
    """A full check finds each damage, a quick one most, by its name, with exit code 5."""
    path = some(here, 1)[0]
    victims = {path}
    if harm.do is delete_directory:
        victims = {file for file in here.files() if file.startswith(f"{path.rpartition('/')[0]}/")}
    harm.do(here.root / path)
    quick = as_json(await verify(here, quick=True))
    assert quick["exit_code"] == (ExitCode.INCOMPLETE if harm.at_a_glance else ExitCode.DONE)
    full = await verify(here)
    assert full.exit_code is ExitCode.INCOMPLETE
    assert names(as_json(full)[harm.kind]) == victims
    other = "changed" if harm.kind == "missing" else "missing"
    assert as_json(full)[other] == []
    assert f"{len(victims)} {'missing here' if harm.kind == 'missing' else 'changed'}" in summary(
        full
    )


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.do.__name__)
async def test_what_is_wrong_is_got_back(here: Rig, harm: Harm) -> None:
    """A repair downloads only what is wrong; a directory in the way is named and left alone."""
    before = here.files()
    harm.do(here.root / some(here, 1)[0])
    result = await verify(here, repair=True)
    if harm.do in {make_directory, delete_directory}:
        assert result.exit_code is ExitCode.INCOMPLETE
        found = as_json(result)["changed" if harm.do is make_directory else "missing"]
        assert "move it away" in found[0]["last_error"]
        return
    assert result.exit_code is ExitCode.DONE, as_json(result)
    assert here.files() == before
    assert result.repaired == 1
    for again in (await verify(here), await verify(here, quick=True)):
        assert again.exit_code is ExitCode.DONE, as_json(again)


async def test_a_repair_asks_for_nothing_else(here: Rig, download_log: DownloadLog) -> None:
    """Of hundreds of files, only the wrong ones are downloaded, and no new ones."""
    before = len(download_log.downloads)
    wrong = some(here, 3)
    for path in wrong:
        (here.root / path).unlink()
    here.programs = [{**program, "image_types": ["stack", "diff"]} for program in here.programs]
    await verify(here, repair=True)
    asked = [path for paths in download_log.downloads[before:] for path in paths]
    assert sorted(path.rpartition("/")[2] for path in asked) == sorted(
        path.rpartition("/")[2] for path in wrong
    )


async def test_a_touched_file_is_not_downloaded_again(here: Rig, download_log: DownloadLog) -> None:
    """A quick check reports a new time; the content decides, and the time is recorded."""
    path = some(here, 1)[0]
    os.utime(here.root / path, ns=(0, 12_345_678_901))
    before = len(download_log.downloads)
    assert names(as_json(await verify(here, quick=True))["changed"]) == {path}
    assert (await verify(here, quick=True, repair=True)).exit_code is ExitCode.DONE
    assert len(download_log.downloads) == before
    assert (await verify(here, quick=True)).exit_code is ExitCode.DONE


@pytest.mark.parametrize("coarse", [1_000_000_000, 2_000_000_000])
async def test_a_file_system_may_round_times(here: Rig, coarse: int) -> None:
    """Times rounded to one or two seconds, as on some file systems, are not a change."""
    for path in here.files():
        found = (here.root / path).stat().st_mtime_ns
        os.utime(here.root / path, ns=(found, found // coarse * coarse))
    assert (await verify(here, quick=True)).exit_code is ExitCode.DONE


async def test_a_persons_file_is_kept_aside(here: Rig) -> None:
    """A changed file is never overwritten: the result says where it is now, and it is there."""
    path = some(here, 1)[0]
    (here.root / path).write_bytes(b"my own work")
    result = as_json(await verify(here, repair=True))
    (kept,) = result["kept"]
    assert kept["path"] == path
    assert (here.root / kept["kept"]).read_bytes() == b"my own work"
    assert here.files() == here.truth(stacks(here))
    again = as_json(await verify(here))
    assert again["orphaned"] == []
    assert again["exit_code"] == ExitCode.DONE


def stacks(rig: Rig) -> list[Any]:
    """Return all stacks of the archive."""
    return list(rig.observatory.products(image_type=ImageType.STACK))


@pytest.mark.parametrize("do", [edit, link, pipe], ids=lambda do: do.__name__)
async def test_with_replace_what_a_person_put_there_is_kept_all_the_same(
    here: Rig, do: Callable[[Path], None]
) -> None:
    """`on_change = "replace"` is about revisions of the archive; a link is kept as a link."""
    here.changes["mirror"] = {"on_change": "replace"}
    path = here.root / some(here, 1)[0]
    do(path)
    was = path.lstat()
    (kept,) = as_json(await verify(here, repair=True))["kept"]
    assert os.path.samestat((here.root / kept["kept"]).lstat(), was)
    assert path.is_file()
    assert not path.is_symlink()
    assert here.files() == here.truth(stacks(here))


# --- files of nobody ------------------------------------------------------------------------------


async def test_foreign_and_orphaned_files_are_reported_and_left_alone(here: Rig) -> None:
    """They are distinguished, are not wrong, and a repair does not touch them."""
    foreign = ["notes.txt", "winter/20251023/final/mine.fits", "winter/plots/a.png"]
    orphan = f"{STATE_DIR}/revisions/winter/old.fits"
    part = f"{STATE_DIR}/staging/of-a-killed-run/1.part"
    for path in (*foreign, orphan, part):
        (here.root / path).parent.mkdir(parents=True, exist_ok=True)
        (here.root / path).write_bytes(path.encode())
    (here.root / "dangling").symlink_to("nowhere")
    result = as_json(await verify(here))
    assert result["exit_code"] == ExitCode.DONE
    assert result["foreign"] == sorted([*foreign, "dangling"])
    assert result["orphaned"] == sorted([orphan, part])
    assert result["counts"]["foreign"] == 4
    (here.root / path_of(stacks(here)[0])).unlink()
    result = as_json(await verify(here, repair=True))
    assert result["foreign"] == sorted([*foreign, "dangling"])
    assert result["orphaned"] == [orphan]
    assert all((here.root / path).read_bytes() == path.encode() for path in (*foreign, orphan))


async def test_what_a_live_session_is_writing_is_no_orphan(here: Rig) -> None:
    """A part that a running download fills belongs to it."""
    with Tree(here.root).session("alive") as session, session.stage() as part:
        part.write(b"data")
        result = await verify(here, quick=True)
    assert as_json(result)["orphaned"] == []


async def test_a_narrowed_verification_looks_at_its_part_only(here: Rig) -> None:
    """By program and by night: nothing else is checked, and what was not sought is null."""
    winter = here.observatory.products("2024A000", Instrument.WINTER, ImageType.STACK)
    (here.root / path_of(winter[0])).unlink()
    other = as_json(await verify(here, programs=("2025B001",)))
    assert other["exit_code"] == ExitCode.DONE
    assert other["counts"]["foreign"] is None
    assert 0 < other["checked"] < len(stacks(here))
    night = as_json(await verify(here, nights=(DEMO_NIGHT,)))
    assert names(night["missing"]) == {path_of(winter[0])}
    assert night["counts"]["orphaned"] is None


@pytest.mark.parametrize(
    "narrowed", [{"nights": (Night("20200101"),)}, {"programs": ("2030Z999",)}]
)
async def test_nothing_to_check_is_no_success(here: Rig, narrowed: dict[str, Any]) -> None:
    """A selection that matches nothing is reported, never taken for a mirror that is right."""
    with pytest.raises(UsageError, match="nothing to check"):
        await verify(here, **narrowed)


# --- what the archive does not have any more ------------------------------------------------------


async def test_a_repair_of_what_the_archive_lost_stays_wrong(here: Rig) -> None:
    """Every run says that the archive has no file now, until the file comes back."""
    product = stacks(here)[0]
    path = path_of(product)
    (here.root / path).unlink()
    here.observatory.remove_file(product)
    result = await verify(here, repair=True)
    assert result.exit_code is ExitCode.INCOMPLETE
    (found,) = as_json(result)["missing"]
    assert (found["path"], found["state"]) == (path, "missing")
    assert (await verify(here)).exit_code is ExitCode.INCOMPLETE
    here.observatory.restore_file(product)
    assert (await verify(here, repair=True)).exit_code is ExitCode.DONE
    assert path in here.files()


async def test_a_withdrawn_product_that_was_deleted_is_reported_once(here: Rig) -> None:
    """Nobody can download it again: a repair says so, and does not retry forever."""
    product = stacks(here)[0]
    here.observatory.withdraw(product)
    await here.sync()
    assert (await verify(here)).exit_code is ExitCode.DONE
    (here.root / path_of(product)).unlink()
    result = await verify(here, repair=True)
    assert result.exit_code is ExitCode.INCOMPLETE
    assert names(as_json(result)["unlisted"]) == {path_of(product)}
    assert (await verify(here)).exit_code is ExitCode.DONE
    here.observatory.relist(product)
    await here.sync()
    assert path_of(product) in here.files()


async def test_a_product_of_two_programs_is_repaired_once(
    here: Rig, download_log: DownloadLog
) -> None:
    """Whichever program is verified, it is one file, and one download."""
    product = here.observatory.products("2024A000", Instrument.WINTER, ImageType.STACK)[0]
    here.observatory.list_also_under(product, "2025B001")
    await here.sync()
    (here.root / path_of(product)).unlink()
    asked = download_log.asked[product.savepath]
    for program in ("2024A000", "2025B001"):
        found = as_json(await verify(here, programs=(program,)))
        assert names(found["missing"]) == {path_of(product)}
    assert (await verify(here, programs=("2025B001",), repair=True)).exit_code is ExitCode.DONE
    assert download_log.asked[product.savepath] == asked + 1


async def test_another_content_at_the_archive_is_a_new_revision(here: Rig) -> None:
    """A repair after reprocessing downloads the new revision, and the mirror is right."""
    product = stacks(here)[0]
    (here.root / path_of(product)).unlink()
    here.observatory.rerun(product)
    assert (await verify(here, repair=True)).exit_code is ExitCode.DONE
    assert here.files() == here.truth(stacks(here))


async def test_a_repair_that_is_refused_leaves_all_as_it_was(here: Rig) -> None:
    """Without a valid key nothing is downloaded: the file stays, and the exit code says why."""
    path = path_of(stacks(here)[0])
    (here.root / path).write_bytes(b"my own work")
    right = here.programs
    here.programs = [{**program, "api_key": "wrong"} for program in right]
    result = await verify(here, repair=True)
    assert result.exit_code is ExitCode.REFUSED
    assert names(as_json(result)["changed"]) == {path}
    assert (here.root / path).read_bytes() == b"my own work"
    here.programs = right
    assert (await verify(here, repair=True)).exit_code is ExitCode.DONE


# --- beside others, interrupted, by an older catalog ----------------------------------------------


async def test_beside_a_running_mirror_nothing_is_found_that_is_not(rig: Rig) -> None:
    """While files are published and reprocessed, none is reported as wrong."""
    await rig.sync()
    rig.observatory.reprocess(DEMO_NIGHT)
    syncing = asyncio.create_task(rig.sync())
    results = []
    while not syncing.done():
        results += [await verify(rig), await verify(rig, quick=True)]
    await syncing
    assert results
    assert {result.exit_code for result in results} == {ExitCode.DONE}
    assert (await verify(rig)).exit_code is ExitCode.DONE


async def test_a_catalog_of_the_version_before_is_verified(here: Rig) -> None:
    """Without times the sizes are compared; a full check records times; damage is found."""
    path = here.root / STATE_DIR / CATALOG
    downgrade(path, "record_what_is_verified")
    await here.sync()
    assert (await verify(here, quick=True)).exit_code is ExitCode.DONE
    assert known_times(path) == 0
    gone, changed = some(here, 2)
    (here.root / gone).unlink()
    (here.root / changed).write_bytes(b"mine")
    result = as_json(await verify(here))
    assert (names(result["missing"]), names(result["changed"])) == ({gone}, {changed})
    assert known_times(path) == len(here.files()) - 1
    assert (await verify(here, repair=True)).exit_code is ExitCode.DONE


def known_times(path: Path) -> int:
    """Count the products whose modification time the catalog knows."""
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute("SELECT count(*) FROM products WHERE mtime_ns IS NOT NULL").fetchone()
        return int(count)


def checked_since(path: Path, at: str) -> int:
    """Count the products whose content was read since a time."""
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute(
            "SELECT count(*) FROM products WHERE checked_at >= ?", [at]
        ).fetchone()
        return int(count)


def begun(path: Path) -> str | None:
    """Return when the check that is under way began."""
    with closing(sqlite3.connect(path)) as db:
        row = db.execute(
            "SELECT started_at FROM verifications WHERE finished_at IS NULL"
        ).fetchone()
        return str(row[0]) if row else None


@pytest.mark.fault(
    kind="`verify` killed in the middle of a check",
    injected="(SIGKILL)",
    outcome="run again, it goes on where it was, and says so",
    kept="what was found; no file that was right is read twice",
)
def test_a_killed_verification_goes_on_where_it_was(tmp_path: Path) -> None:
    """After SIGKILL only the rest is read; wrong files found before are reported, too."""
    with served() as archive:
        program = {"image_types": [str(kind) for kind in ImageType]}
        settings = settings_file(tmp_path, api={"base_url": archive.url}, programs=[program])
        assert run("--config", settings, "sync", home=tmp_path).code == ExitCode.DONE
    root, catalog = tmp_path / "winter", tmp_path / "winter" / STATE_DIR / CATALOG
    files = [path for path in root.rglob("*.*") if path.is_file() and STATE_DIR not in path.parts]
    size = sum(path.stat().st_size for path in files)
    gone = min(files)
    gone.unlink()
    slowly = environment_of(tmp_path, {"WINTER_SYNC_MIRROR__VERIFY_RATE": str(size // 8)})
    verifying = command("--config", settings, "verify", "--json")
    with subprocess.Popen(  # noqa: S603 - our own code
        verifying, env=slowly, cwd=tmp_path, stdout=subprocess.PIPE
    ) as first:
        while not ((at := begun(catalog)) and checked_since(catalog, at) > len(files) // 10):
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    assert at is not None
    before = checked_since(catalog, at)
    assert 0 < before < len(files)
    again = run("--config", settings, "verify", "--json", home=tmp_path)
    told = json.loads(again.out)
    assert told["begun"] == at
    assert names(told["missing"]) == {str(gone.relative_to(root))}
    assert told["checked_before"] + told["checked"] == len(files)
    assert told["checked"] <= len(files) - before + 1
    whole = json.loads(run("--config", settings, "verify", "--json", home=tmp_path).out)
    assert (whole["checked"], whole["begun"]) == (len(files), None)


async def test_a_file_that_was_put_back_is_right_again(here: Rig) -> None:
    """What an interrupted check found wrong is read again: it may have been restored meanwhile."""
    path = some(here, 1)[0]
    content = (here.root / path).read_bytes()
    (here.root / path).write_bytes(b"mine")
    assert (await verify(here)).exit_code is ExitCode.INCOMPLETE
    (here.root / path).write_bytes(content)
    with closing(sqlite3.connect(here.root / STATE_DIR / CATALOG)) as db:
        db.execute("UPDATE verifications SET finished_at = NULL")
        db.commit()
    result = as_json(await verify(here))
    assert result["begun"] is not None
    assert (result["checked"], result["exit_code"]) == (1, ExitCode.DONE)
    assert (await verify(here, quick=True)).exit_code is ExitCode.DONE


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_it_in_a_line_and_by_its_exit_code(tmp_path: Path) -> None:
    """Missing, repaired, unreadable, narrowed: the line, the remedy, the code."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        verifying = ("--config", settings, "verify")
        early = run(*verifying, home=tmp_path)
        assert (early.code, "no mirror" in early.err) == (ExitCode.USAGE, True)
        run("--config", settings, "sync", home=tmp_path)
        good = run(*verifying, home=tmp_path)
        assert good.code == ExitCode.DONE
        assert good.out.count("\n") == 1
        files = sorted((tmp_path / "winter").rglob("*_stack.fits"))
        files[0].unlink()
        wrong = run(*verifying, "--quick", home=tmp_path)
        assert wrong.code == ExitCode.INCOMPLETE
        assert "missing here: " in wrong.out
        assert wrong.out.endswith("`winter-sync verify --repair` downloads them again.\n")
        mended = run(*verifying, "--repair", home=tmp_path)
        assert (mended.code, "1 downloaded again" in mended.out) == (ExitCode.DONE, True)
        files[1].chmod(0)
        closed = run(*verifying, home=tmp_path, unprivileged=True)
        assert closed.code == ExitCode.STORAGE
        assert "unreadable: " in closed.out
        unknown = run(*verifying, "--repair", "--program", OTHER_PROGRAM, home=tmp_path)
        assert unknown.code == ExitCode.USAGE
        assert not [key for key in KEYS.values() if key in closed.out + closed.err]


# --- a quick look in every run --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sync", "backfill"])
async def test_deleted_files_are_downloaded_in_the_next_run(here: Rig, how: str) -> None:
    """Deleted files of the nights that a run covers are downloaded again, and reported."""
    before = here.files()
    gone = some(here, 3)
    for path in gone:
        (here.root / path).unlink()
    here.events.clear()
    report = await (here.sync() if how == "sync" else here.backfill(DEMO_NIGHT, DEMO_NIGHT))
    assert (report.lost, report.published, report.exit_code) == (3, 3, ExitCode.DONE)
    assert here.files() == before
    lost = [event for event in here.events if isinstance(event, FilesLost)]
    assert sorted(path for event in lost for path in event.paths) == gone


async def test_changed_files_are_reported_once_and_left_alone(
    here: Rig, download_log: DownloadLog
) -> None:
    """A run does not overwrite what a person wrote, and every report counts it."""
    path = some(here, 1)[0]
    (here.root / path).write_bytes(b"my own work")
    asked = len(download_log.downloads)
    here.events.clear()
    reports = [await here.sync(), await here.sync()]
    assert (here.root / path).read_bytes() == b"my own work"
    assert [report.altered for report in reports] == [1, 1]
    assert len(download_log.downloads) == asked
    (event,) = [event for event in here.events if isinstance(event, FilesChanged)]
    assert event.paths == (path,)


async def test_nights_that_are_not_polled_are_not_looked_at(here: Rig) -> None:
    """Old nights that were deleted stay deleted if `since` is a later night."""
    (here.root / some(here, 1)[0]).unlink()
    here.programs = [{**program, "since": DEMO_NIGHT.plus(1).name} for program in here.programs]
    assert (await here.sync()).lost == 0


async def test_an_unmounted_root_is_not_taken_for_deleted_files(here: Rig) -> None:
    """If the marker is gone, too, nothing is wanted again: the file system is not mounted."""
    aside = here.root.with_name("aside")
    here.changes["mirror"] = {"state": here.root.with_name("state")}
    shutil.copytree(here.root / STATE_DIR, here.root.with_name("state"))
    async with open_mirror(
        here.settings(), lambda _: None, time=Time(here.observatory.clock.now)
    ) as mirror:
        here.root.rename(aside)
        here.root.mkdir()
        with pytest.raises(StorageError, match="used to contain a mirror"):
            await mirror.quick_check.check_before_polls(mirror.selections)
        here.root.rmdir()
        aside.rename(here.root)
    assert (await verify(here)).exit_code is ExitCode.DONE


# --- the truth in the status ----------------------------------------------------------------------


async def stood(rig: Rig) -> tuple[dict[str, Any], str]:
    """Return the status on the morning after the night, as data and as text."""
    settings = rig.settings()
    async with open_existing_catalog(settings) as catalog:
        scope = Scope(programs=tuple(selection.program for selection in settings.selections))
        found = await status.read_status(catalog, settings.selections, end_of(DEMO_NIGHT))
        damaged = await check_newest(catalog, settings.root, scope, 5000)
    found = status.with_damaged(found, damaged)
    stream = io.StringIO()
    show(Console(file=stream, width=80), found)
    read: dict[str, Any] = json.loads(status_json.status_as_json(found))
    return read, " ".join(stream.getvalue().split())


async def test_the_status_does_not_call_complete_what_was_deleted(here: Rig) -> None:
    """Right after a deletion, and after a change, the night is not complete, and it says why."""
    before, _ = await stood(here)
    assert before["last_night_complete"]
    assert before["damaged"] == []
    gone, changed = some(here, 2)
    sizes = [(here.root / path).stat().st_size for path in (changed, gone)]
    (here.root / gone).unlink()
    (here.root / changed).write_bytes(b"mine")
    for ask, left in ((None, 2), (verify, 2), (Rig.sync, 1)):
        if ask is not None:
            await ask(here)
        told, said = await stood(here)
        numbers, programs = told["last_night_numbers"], told["programs"]
        assert not told["last_night_complete"]
        assert told["totals"]["damaged"] == numbers["damaged"] == len(told["damaged"]) == left
        assert sum(program["totals"]["damaged"] for program in programs) == left
        assert numbers["listed"] == before["last_night_numbers"]["listed"]
        assert numbers["here"] == before["last_night_numbers"]["here"] - left
        assert numbers["size"] == before["last_night_numbers"]["size"] - sum(sizes[:left])
        assert f"{left} deleted or changed here" in said
        assert "winter-sync verify --repair" in said
        assert "listed are here" in said
        assert "all " not in said.partition(" are here")[0]
    assert (await verify(here, repair=True)).exit_code is ExitCode.DONE
    assert (await stood(here))[0]["last_night_numbers"] == before["last_night_numbers"]


async def test_a_withdrawn_file_that_is_gone_is_not_here_either(here: Rig) -> None:
    """It counts among what is listed neither before nor after; its bytes are gone."""
    product = stacks(here)[0]
    here.observatory.withdraw(product)
    await here.sync()
    before, _ = await stood(here)
    size = (here.root / path_of(product)).stat().st_size
    (here.root / path_of(product)).unlink()
    for ask in (None, verify):
        if ask is not None:
            await ask(here)
        told, _ = await stood(here)
        assert told["last_night_numbers"] == before["last_night_numbers"]
        assert told["totals"]["size"] == before["totals"]["size"] - size
        assert len(told["damaged"]) == 1


def test_the_command_status_looks_at_files(tmp_path: Path) -> None:
    """A file deleted a moment ago is named by the command, and not counted as here."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        asking = ("--config", settings, "status")
        run("--config", settings, "sync", home=tmp_path)
        before = json.loads(run(*asking, "--json", home=tmp_path).out)["totals"]
        gone = min((tmp_path / "winter").rglob("*_stack.fits"))
        gone.unlink()
        told = json.loads(run(*asking, "--json", home=tmp_path).out)
        assert told["totals"]["published"] == before["published"] - 1
        assert [file["damage"] for file in told["damaged"]] == ["missing"]
        assert gone.name in run(*asking, home=tmp_path).out
