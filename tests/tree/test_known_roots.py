"""An empty mount point is never taken for an empty mirror."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import run, served, settings_file

from winter_sync.catalog.queue import Queue
from winter_sync.core.errors import ExitCode, StorageError
from winter_sync.tree.known_roots import KnownRoots, known_roots_path

if TYPE_CHECKING:
    from support.rig import DownloadLog, Rig


@pytest.mark.fault(
    kind="an unmounted root: an empty mount point",
    injected="(the mirror is moved away)",
    outcome="nothing is written there; the run ends (exit code 6) and asks whether it is mounted",
    kept="all that was published",
)
async def test_a_root_that_lost_its_mirror_is_left_alone(rig: Rig) -> None:
    """When a mirror's file system is not mounted, nothing is written below its mount point."""
    rig.programs = rig.programs[:1]
    await rig.sync()
    aside = rig.root.with_name("aside")
    rig.root.rename(aside)
    rig.root.mkdir()
    with pytest.raises(StorageError, match=r"used to contain a mirror.* is now empty") as told:
        await rig.sync()
    assert "mounted" in told.value.remedy
    assert list(rig.root.iterdir()) == []
    rig.root.rmdir()
    aside.rename(rig.root)
    await rig.sync()


async def test_a_root_that_was_removed_begins_anew(rig: Rig) -> None:
    """Who removes the whole root wants a new mirror there."""
    rig.programs = rig.programs[:1]
    await rig.sync()
    before = rig.files()
    shutil.rmtree(rig.root)
    await rig.sync()
    assert rig.files() == before


@pytest.mark.fault(
    kind="the same, with the state on another file system",
    injected="(the mirror is removed)",
    outcome="as above",
    kept="the catalog",
)
async def test_a_catalog_elsewhere_misses_its_root(rig: Rig) -> None:
    """A catalog on another file system than the root notices that the root is another."""
    rig.programs = rig.programs[:1]
    rig.changes["mirror"] = {"state": rig.root.with_name("state")}
    await rig.sync()
    assert rig.files()
    assert not list(rig.root.glob(".winter-sync/*.sqlite3"))
    shutil.rmtree(rig.root)
    rig.root.mkdir()
    with pytest.raises(StorageError, match=r"used to contain a mirror.* is now empty"):
        await rig.sync()
    assert list(rig.root.iterdir()) == []


async def test_a_new_root_that_was_another_mirrors_is_refused(rig: Rig) -> None:
    """A catalog is not used for a root that belongs to another one."""
    rig.programs = rig.programs[:1]
    rig.changes["mirror"] = {"state": rig.root.with_name("state")}
    await rig.sync()
    first, rig.root = rig.root, rig.root.with_name("other")
    rig.changes["mirror"] = {}
    await rig.sync()
    rig.changes["mirror"] = {"state": first.with_name("state")}
    with pytest.raises(StorageError, match="another mirror"):
        await rig.sync()


def test_a_memory_keeps_what_is_there(tmp_path: Path) -> None:
    """KnownRoots are remembered; those that are no directories any more can be forgotten."""
    roots = KnownRoots(tmp_path / "deep" / "roots.json")
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.mkdir()
    gone.mkdir()
    roots.remember(here, "a")
    roots.remember(gone, "b")
    assert (roots.mirror_in(here), roots.mirror_in(gone)) == ("a", "b")
    gone.rmdir()
    roots.remember(here, "c")
    roots.forget_removed()
    assert (roots.mirror_in(here), roots.mirror_in(gone)) == ("c", None)


def test_what_cannot_be_looked_at_is_not_forgotten(tmp_path: Path) -> None:
    """A place that the system says nothing of may be a mirror still, and hinders no other."""
    roots, unknown = KnownRoots(tmp_path / "roots.json"), tmp_path / ("x" * 300)
    roots.remember(unknown, "a")
    roots.forget_removed()
    assert roots.mirror_in(unknown) == "a"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"/a": 3}', "\x00"])
def test_a_memory_that_makes_no_sense_is_none(tmp_path: Path, content: str) -> None:
    """A file that is damaged is as good as none, and is replaced."""
    path = tmp_path / "roots.json"
    path.write_text(content)
    roots = KnownRoots(path)
    assert roots.mirror_in(Path("/a")) is None
    roots.remember(tmp_path, "a")
    assert roots.mirror_in(tmp_path) == "a"


def test_a_memory_without_a_place_forgets(tmp_path: Path) -> None:
    """Where nothing can be written, nothing fails."""
    (tmp_path / "file").touch()
    roots = KnownRoots(tmp_path / "file" / "roots.json")
    roots.remember(tmp_path, "a")
    assert roots.mirror_in(tmp_path) is None


def test_where_roots_are_remembered() -> None:
    """A service remembers in its state directory, a person in the usual place."""
    assert known_roots_path({"STATE_DIRECTORY": "/var/lib/a:/b"}) == Path("/var/lib/a/roots.json")
    assert known_roots_path({"XDG_STATE_HOME": "/s"}) == Path("/s/winter-sync/roots.json")
    assert known_roots_path({"HOME": "/h"}) == Path("/h/.local/state/winter-sync/roots.json")


COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("verify",),
    ("verify", "--quick"),
    ("sync",),
    ("backfill", "--from", "20251023", "--to", "20251023"),
    ("run",),
)


@pytest.mark.parametrize("state", ["inside", pytest.param("elsewhere", marks=pytest.mark.slow)])
@pytest.mark.fault(
    kind="a mirror whose root was emptied, asked about",
    injected="(all files and the marker are deleted)",
    outcome="every command says that it used to contain a mirror (exit code 6), none says complete",
    kept="the catalog, where it is elsewhere",
)
def test_every_command_notices_a_root_that_was_emptied(tmp_path: Path, state: str) -> None:
    """None reads the catalog as if the files were there; a flag, and no editing, begins anew."""
    with served() as archive:
        mirror = {} if state == "inside" else {"state": str(tmp_path / "state")}
        settings = settings_file(
            tmp_path,
            api={"base_url": archive.url},
            mirror=mirror,
            http={"listen": "127.0.0.1:0"},
        )
        assert run("--config", settings, "sync", home=tmp_path).code == ExitCode.DONE
        root = tmp_path / "winter"
        files = set(root.rglob("*_stack.fits"))
        for path in root.iterdir():
            shutil.rmtree(path)
        for words in COMMANDS:
            said = run("--config", settings, *words, home=tmp_path)
            assert said.code == ExitCode.STORAGE, (words, said)
            assert "used to contain a mirror" in said.err
            assert "is now empty" in said.err
            assert "winter-sync sync --new-root" in said.err
            assert "complete" not in said.out
        check = run("--config", settings, "check", home=tmp_path)
        assert check.code == ExitCode.STORAGE
        assert "is now empty" in check.out
        assert list(root.iterdir()) == []
        anew = run("--config", settings, "sync", "--new-root", home=tmp_path)
        assert anew.code == ExitCode.DONE, anew
        assert set(root.rglob("*_stack.fits")) == files
        assert run("--config", settings, "verify", home=tmp_path).code == ExitCode.DONE
        usual = run("--config", settings, "sync", "--new-root", home=tmp_path)
        assert usual.code == ExitCode.DONE
        assert usual.out.startswith("Nothing new")


def test_a_flag_does_not_take_another_mirrors_root(tmp_path: Path) -> None:
    """`--new-root` is for a root without a marker: one that is another mirror's is refused."""
    with served() as archive:
        api = {"base_url": archive.url}
        run("--config", settings_file(tmp_path, api=api), "sync", home=tmp_path)
        elsewhere = {"root": str(tmp_path / "other"), "state": str(tmp_path / "state")}
        other = settings_file(tmp_path, api=api, mirror=elsewhere)
        run("--config", other, "sync", home=tmp_path)
        mixed = settings_file(tmp_path, api=api, mirror={"state": str(tmp_path / "state")})
        for words in (("sync", "--new-root"), ("status",), ("verify",), ("check",)):
            said = run("--config", mixed, *words, home=tmp_path)
            assert said.code == ExitCode.STORAGE, words
            assert "another mirror" in said.out + said.err


async def test_files_that_are_still_there_are_not_downloaded_again(
    rig: Rig, download_log: DownloadLog
) -> None:
    """When only our own directory was deleted, the flag wants just what is gone."""
    rig.programs = rig.programs[:1]
    rig.changes["mirror"] = {"state": rig.root.with_name("state")}
    await rig.sync()
    before = rig.files()
    asked = sum(download_log.asked.values())
    shutil.rmtree(rig.root / ".winter-sync")
    gone = sorted(before)[:2]
    for path in gone:
        (rig.root / path).unlink()
    with pytest.raises(StorageError, match="the file that identifies it is missing"):
        await rig.sync()
    rig.new_root = True
    async with rig.opened() as mirror:
        shares = await mirror.catalog.queue(Queue.wanted, mirror.scope)
        assert sum(share.products for share in shares) == 2
    await rig.sync()
    assert rig.files() == before
    assert sum(download_log.asked.values()) == asked + 2


def test_a_demo_is_not_made_where_a_mirror_was(tmp_path: Path) -> None:
    """An empty mount point of a mirror is no place for simulated data."""
    with served() as archive:
        settings = settings_file(tmp_path, api={"base_url": archive.url})
        run("--config", settings, "sync", home=tmp_path)
    root = tmp_path / "winter"
    for path in root.iterdir():
        shutil.rmtree(path)
    said = run("demo", "--root", root, home=tmp_path)
    assert said.code == ExitCode.STORAGE
    assert "give another --root" in said.err
    assert list(root.iterdir()) == []
