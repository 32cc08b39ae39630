"""File systems that cannot do everything: used, or refused with what they lack and what to do."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import Said, environment_of, run, served, settings_file
from support.incapable import lacking
from support.makers import evidence, fits, product

from winter_sync.core import GroupNotGiven
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.simulator import Simulator

PRODUCTS = 10
NO_DIRECTORY_SYNC = [errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOSYS]


AS_JSON = ("--log-format", "json")


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve an archive to all tests."""
    with served() as simulator:
        yield simulator


@pytest.fixture
def settings(archive: Simulator, tmp_path: Path) -> Path:
    """Write settings for a mirror that does not exist yet."""
    return settings_file(tmp_path, api={"base_url": archive.url})


def files(home: Path) -> list[Path]:
    """Find all files in the tree."""
    tree = home / "winter"
    return [path for path in tree.rglob("*") if path.is_file() and STATE_DIR not in path.parts]


def findings(said: Said) -> list[str]:
    """Pick what a check says of the file system, with the remedies, mark first."""
    findings = re.split(r"^(?=\w)", said.out, flags=re.MULTILINE)
    words = (" ".join(finding.split()) for finding in findings)
    return [told for told in words if re.match(r"\w+ file system ", told)]


def names_in(place: Path) -> set[str]:
    """List all paths below a place, without what SQLite has beside a catalog that is read."""
    paths = {str(path.relative_to(place)) for path in place.rglob("*")}
    return {path for path in paths if not path.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("when", ["before the first sync", "later"])
def test_a_check_tries_everything_and_leaves_nothing(
    when: str, settings: Path, tmp_path: Path
) -> None:
    """On a file system that can do all, that is said, and no file of the trial stays."""
    if when == "later":
        assert run("--config", settings, "sync", home=tmp_path).code == ExitCode.DONE
    before = names_in(tmp_path)
    said = run("--config", settings, "check", home=tmp_path)
    assert said.code == ExitCode.DONE
    assert findings(said) == [
        "ok file system renames, locks, links and syncs files and directories"
    ]
    assert names_in(tmp_path) == before


@pytest.mark.fault(
    kind="a file system that cannot sync directories (some FUSE, CIFS and NFS)",
    injected="(fsync of a directory refused to the real command)",
    outcome="everything is mirrored; told once a run, and by `check`",
    kept="all that was published; after a power failure the newest names may be missing",
)
@pytest.mark.parametrize("code", NO_DIRECTORY_SYNC, ids=errno.errorcode.get)
def test_a_file_system_that_cannot_sync_directories_is_used(
    code: int, settings: Path, tmp_path: Path
) -> None:
    """Everything is mirrored; one line of the log and a warning of `check` tell of it."""
    environment = lacking(tmp_path, fsyncdir=code)
    checked = run("--config", settings, "check", home=tmp_path, environment=environment)
    synced = run("--config", settings, "sync", *AS_JSON, home=tmp_path, environment=environment)
    assert (checked.code, synced.code) == (ExitCode.DONE, ExitCode.DONE)
    (found,) = findings(checked)
    assert found.startswith("warn file system directories cannot be synced")
    assert "winter-sync verify" in found
    assert len(files(tmp_path)) == PRODUCTS
    told = [json.loads(line)["event"] for line in synced.err.splitlines()]
    assert told.count("directories cannot be synced") == 1


def test_an_error_of_a_directory_sync_is_still_one(settings: Path, tmp_path: Path) -> None:
    """A disk that fails while a directory is synced is not taken for one that never can."""
    environment = lacking(tmp_path, fsyncdir=errno.EIO)
    said = run("--config", settings, "sync", home=tmp_path, environment=environment)
    assert said.code == ExitCode.STORAGE
    assert "Input/output error" in said.err
    assert "Traceback" not in said.err


def test_a_file_system_without_hard_links_is_used(settings: Path, tmp_path: Path) -> None:
    """That older revisions are copied there is said, and nothing is wrong with it."""
    environment = lacking(tmp_path, link=errno.EPERM)
    said = run("--config", settings, "check", home=tmp_path, environment=environment)
    assert said.code == ExitCode.DONE
    assert findings(said) == ["ok file system no hard links: older revisions are copied instead"]


@pytest.mark.fault(
    kind="a file system without locks, without sync of files, or that cannot replace a file",
    injected="(flock, fsync or rename refused to the real command)",
    outcome="`check` and the run say what is lacking and what to do (exit code 6)",
    kept="all that was published",
)
@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("flock", errno.ENOSYS, "files cannot be locked (flock)"),
        ("flock", errno.EOPNOTSUPP, "files cannot be locked (flock)"),
        ("flock", errno.ENOLCK, "files cannot be locked (flock)"),
        ("fsyncfile", errno.EINVAL, "files cannot be synced (fsync)"),
        ("replace", errno.EEXIST, "a file cannot be renamed over another one"),
    ],
)
def test_what_a_mirror_cannot_do_without_is_named(
    what: str, code: int, said: str, settings: Path, tmp_path: Path
) -> None:
    """A check fails and names what is lacking; a sync ends with 6 and says what to do."""
    environment = lacking(tmp_path, **{what: code})
    checked = run("--config", settings, "check", home=tmp_path, environment=environment)
    assert checked.code == ExitCode.STORAGE
    (found,) = findings(checked)
    assert found.startswith(f"FAIL file system {said}: {os.strerror(code)} Mount ")
    assert "mirror.root" in found
    if what == "replace":
        return  # nothing is replaced by a first sync
    synced = run("--config", settings, "sync", home=tmp_path, environment=environment)
    assert synced.code == ExitCode.STORAGE
    assert "Traceback" not in synced.err
    assert os.strerror(code) in synced.err
    assert "mirror.root" in synced.err


def test_locks_that_exclude_nobody_are_noticed(settings: Path, tmp_path: Path) -> None:
    """A file system that grants every lock at once protects nothing."""
    environment = lacking(tmp_path, exclusion=0)
    said = run("--config", settings, "check", home=tmp_path, environment=environment)
    assert said.code == ExitCode.STORAGE
    assert findings(said)[0].startswith("FAIL file system locks of files (flock) have no effect")


REPLACES = """
import sys
from pathlib import Path
from support.makers import evidence, fits, product
from winter_sync.tree.tree import Tree
tree = Tree(Path(sys.argv[1]))
tree.prepare("mirror")
with tree.session("session") as session:
    for seed in (1, 2):
        with session.stage() as part:
            part.write(fits(seed))
            published = evidence(product(0), fits(seed))
            published = session.publish(part, published, batch="b", keep=True)
print(published.kept)
print(*(event for event in tree.take_events()))
"""
"""Publishes a product and then a newer revision of it."""


def publish_twice(
    root: Path, *, environment: dict[str, str] | None = None, before: tuple[str, ...] = ()
) -> tuple[str, str]:
    """Publish two revisions in a process of its own; gives where the first is, and events."""
    support = str(Path(__file__).parent.parent)
    known = environment_of(root.parent, environment)
    known["PYTHONPATH"] += f":{support}"
    done = subprocess.run(  # noqa: S603 - ourselves
        [*before, sys.executable, "-c", REPLACES, str(root)],
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    kept, events = done.stdout.splitlines()
    return kept, events


def test_a_revision_is_copied_where_there_are_no_links_and_no_modes(tmp_path: Path) -> None:
    """As on FAT: neither links nor modes are to be had, and still the older content is kept."""
    environment = lacking(tmp_path, link=errno.EPERM, chmod=errno.EPERM)
    kept, _ = publish_twice(tmp_path / "winter", environment=environment)
    assert (tmp_path / "winter" / kept).read_bytes() == fits(1)


# --- groups --------------------------------------------------------------------------------------

STACK = product(0)


def foreign_group() -> int:
    """Return a group that we can give files and that is not ours by default, or skip."""
    if os.geteuid() == 0:
        return 54321
    others = [group for group in os.getgroups() if group != os.getegid()]
    if not others:
        pytest.skip("the user who runs the tests is in one group only")
    return others[0]


def group_directory(tree: Tree, group: int, mode: int) -> Path:
    """Make the directory of a product a group's own, as its owner would."""
    directory = tree.directories.place(evidence(STACK, b"").path).parent
    directory.mkdir(parents=True)
    os.chown(directory, -1, group)
    directory.chmod(mode)
    return directory


def access(path: Path) -> tuple[int, str]:
    """Return the group and the mode of a file."""
    found = path.stat()
    return found.st_gid, stat.filemode(found.st_mode)


@pytest.mark.parametrize(
    ("umask", "directory", "expected"),
    [
        (0o022, 0o2755, "-rw-r--r--"),
        (0o077, 0o2755, "-rw-r-----"),
        (0o077, 0o2750, "-rw-r-----"),
        (0o077, 0o2700, "-rw-------"),
        (0o002, 0o2775, "-rw-rw-r--"),
        (0o022, 0o2775, "-rw-r--r--"),
    ],
)
def test_a_file_belongs_to_the_group_of_its_directory(
    umask: int, directory: int, expected: str, tmp_path: Path
) -> None:
    """In a set-group-ID directory files have its group, and whoever may list it may read them."""
    tree, group = Tree(tmp_path / "winter"), foreign_group()
    tree.prepare("mirror")
    place = group_directory(tree, group, directory)
    before = os.umask(umask)
    try:
        publish(tree)
    finally:
        os.umask(before)
    (file,) = place.iterdir()
    assert access(file) == (group, expected)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_directories_of_a_shared_root_are_open_to_its_group(umask: int, tmp_path: Path) -> None:
    """Below a set-group-ID root every directory and file of the tree can be reached and read."""
    root, group = tmp_path / "winter", foreign_group()
    root.mkdir()
    os.chown(root, -1, group)
    root.chmod(0o2750)
    tree = Tree(root)
    before = os.umask(umask)
    try:
        tree.prepare("mirror")
        publish(tree)
    finally:
        os.umask(before)
    made = [path for path in root.rglob("*") if STATE_DIR not in path.parts]
    assert len(made) == 4
    for path in made:
        found = path.stat()
        assert found.st_gid == group
        assert found.st_mode & stat.S_IRGRP
        assert not path.is_dir() or found.st_mode & stat.S_IXGRP
        assert not found.st_mode & stat.S_IWGRP


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_in_any_other_directory_the_umask_alone_decides(umask: int, tmp_path: Path) -> None:
    """Without the set-group-ID bit the group is ours, whatever the directory's is."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    place = group_directory(tree, foreign_group(), 0o755)
    before = os.umask(umask)
    try:
        publish(tree)
    finally:
        os.umask(before)
    (file,) = place.iterdir()
    assert access(file) == (os.getegid(), stat.filemode(stat.S_IFREG | (0o666 & ~umask)))


def publish(tree: Tree) -> None:
    """Publish a product."""
    with tree.session("session") as session, session.stage() as part:
        part.write(fits(1))
        session.publish(part, evidence(STACK, fits(1)), batch="b", keep=True)
        session.forget_journal("b")


def test_a_group_that_is_not_ours_is_no_reason_to_fail() -> None:
    """Files stay in our group where theirs is refused; that is reported once, with the group."""
    if os.geteuid() != 0:
        pytest.skip("a directory of a group that is not ours can be made by root only")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*nobody, "test", "-r", __file__], check=False).returncode:  # noqa: S603 - ours
        pytest.skip("the user nobody cannot read this checkout")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "winter"
        tree = Tree(root)
        tree.prepare("mirror")
        place = group_directory(tree, 54321, 0o2777)
        for path in (Path(name), *Path(name).rglob("*")):
            os.chown(path, 65534, -1)
        kept, events = publish_twice(root, before=nobody)
        (file,) = place.iterdir()
        assert (file.read_bytes(), file.stat().st_gid) == (fits(2), 65534)
        assert (root / kept).read_bytes() == fits(1)
    assert events.count("GroupNotGiven") == 1
    assert f"directory='{place}', group=54321" in events


def test_a_refused_group_is_reported_once_for_each_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fails, and a log is not filled with what cannot be changed."""
    tree, group = Tree(tmp_path / "winter"), foreign_group()
    tree.prepare("mirror")
    place = group_directory(tree, group, 0o2755)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refuse)
    publish(tree)
    publish(tree)
    assert list(tree.take_events()) == [GroupNotGiven(str(place), group)]
    assert list(tree.take_events()) == []
    (file,) = place.iterdir()
    assert (file.read_bytes(), file.stat().st_gid) == (fits(1), os.getegid())
