"""Others who may write where the mirror is: their links, pipes, devices and forged files.

Whatever they put there, nothing of anybody else's is read or changed, nothing hangs, and a person
is told what stands where and what to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from support.command import PROGRAM, Said, run, served, settings_file
from support.makers import evidence, fits, path_of, product

from winter_sync.core.errors import ExitCode, StorageError
from winter_sync.core.layout import STATE_DIR
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from winter_sync.simulator import Simulator

PATIENCE = 120
"""Seconds after which a command hangs, even on a busy machine."""
SECRET = b"the victim's thesis\n"
STACK = product(0)


@pytest.fixture(scope="module")
def archive() -> Iterator[Simulator]:
    """Serve an archive to all tests."""
    with served() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def filled(archive: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a mirror that was filled once; to be copied."""
    home = tmp_path_factory.mktemp("filled")
    assert said_by("sync", home=home, archive=archive).code == ExitCode.DONE
    return home / "winter"


@pytest.fixture
def root(filled: Path, tmp_path: Path) -> Path:
    """Return a filled mirror of one's own."""
    shutil.copytree(filled, tmp_path / "winter", symlinks=True)
    return tmp_path / "winter"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return the file of somebody else's that is aimed at."""
    path = tmp_path / "theirs" / "thesis.txt"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def said_by(*arguments: str, home: Path, archive: Simulator, **mirror: object) -> Said:
    """Run a command on the mirror in a home, which must end of itself."""
    settings = settings_file(home, api={"base_url": archive.url}, mirror=mirror)
    return ended("--config", settings, *arguments, home=home)


def ended(*arguments: str | Path, home: Path) -> Said:
    """Run a command, which must end of itself."""
    said = run(*arguments, home=home, patience=PATIENCE)
    assert "Traceback" not in said.err
    return said


def follow(remedy: str, home: Path) -> None:
    """Do what a remedy says: the first command in it."""
    found = re.search(r"`((?:mv|chmod) [^`]+)`", " ".join(remedy.split()))
    assert found, remedy
    subprocess.run(found[1], shell=True, cwd=home, check=True)  # noqa: S602 - our own words


# --- links in the tree ---------------------------------------------------------------------------


def link_night(root: Path, elsewhere: Path) -> Path:
    """Put a link in the place of a night that is not there yet."""
    night = root / "winter" / "20240130"
    night.parent.mkdir(parents=True, exist_ok=True)
    night.symlink_to(elsewhere)
    return night


def put(tree: Tree, name: str = "session") -> None:
    """Publish a product."""
    with tree.session(name) as session, session.stage() as part:
        part.write(fits(1))
        session.publish(part, evidence(STACK, fits(1)), batch="batch", keep=True)
        session.forget_journal("batch")


def test_no_product_goes_through_a_link(tmp_path: Path, victim: Path) -> None:
    """A directory of the tree that became a link is an obstacle, and nothing is written there."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    night = link_night(tree.root, victim.parent)
    obstacle = tree.directories.obstacle(path_of(STACK))
    assert obstacle is not None
    assert str(night) in obstacle.message
    assert "follow_links = true" in obstacle.remedy
    with pytest.raises(StorageError, match="symbolic link"):
        put(tree)
    assert list(victim.parent.iterdir()) == [victim]


def test_a_link_is_followed_where_that_is_set(tmp_path: Path) -> None:
    """A group that keeps a night elsewhere says so, and finds its products there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tree = Tree(tmp_path / "winter", follow_links=True)
    tree.prepare("mirror")
    link_night(tree.root, elsewhere)
    assert tree.directories.obstacle(path_of(STACK)) is None
    put(tree)
    assert [path.read_bytes() for path in elsewhere.rglob("*.fits")] == [fits(1)]
    assert tree.holds(evidence(STACK, fits(1)))
    assert not Tree(tree.root).holds(evidence(STACK, fits(1)))


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    """The root, and what is above it, is the user's word, link or not."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    tree = Tree(tmp_path / "link" / "winter")
    tree.prepare("mirror")
    put(tree)
    (tmp_path / "winter").symlink_to("disk/winter")
    again = Tree(tmp_path / "winter")
    assert again.prepare("other") == "mirror"
    assert again.holds(evidence(STACK, fits(1)))


def test_a_directory_that_changes_all_the_time_leads_nowhere(tmp_path: Path, victim: Path) -> None:
    """While a directory and a link take turns under one name, nothing gets to where it leads."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    put(tree)
    place, link = (tree.root / "winter" / name for name in ("20240130", "link"))
    done = threading.Event()

    def take_turns() -> None:
        steps = (
            lambda: link.symlink_to(victim.parent),
            lambda: shutil.rmtree(place),
            lambda: link.rename(place),
            place.unlink,
        )
        while not done.is_set():
            for step in steps:
                with suppress(OSError):  # the night was made again meanwhile
                    step()

    attacker = threading.Thread(target=take_turns)
    attacker.start()
    try:
        for number in range(150):
            with suppress(StorageError):
                put(tree, f"session{number}")
    finally:
        done.set()
        attacker.join()
    assert list(victim.parent.iterdir()) == [victim]
    assert victim.read_bytes() == SECRET


def test_a_session_that_was_replaced_is_not_followed(tmp_path: Path, victim: Path) -> None:
    """What a session writes goes to the directory that it made, whatever has its name now."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    staging = tree.own_directory / "staging"
    for name in ("1.part", "batch.published"):
        (victim.parent / name).symlink_to(victim)
    with tree.session("session") as session:
        (staging / "session").rename(staging / "aside")
        (staging / "session").symlink_to(victim.parent)
        with session.stage() as part:
            part.write(fits(1))
            session.publish(part, evidence(STACK, fits(1)), batch="batch", keep=True)
        session.forget_journal("batch")
        (staging / "session").unlink()
        (staging / "aside").rename(staging / "session")
    assert victim.read_bytes() == SECRET
    assert len(list(victim.parent.iterdir())) == 3
    assert tree.holds(evidence(STACK, fits(1)))


@pytest.mark.fault(
    kind="a directory of the tree replaced by a link",
    injected="(put into the tree)",
    outcome="its products are not asked for and not read; `verify` says it cannot (exit code 6)",
    kept="where the link leads, and all products",
)
def test_a_check_reads_through_no_link(root: Path, tmp_path: Path, archive: Simulator) -> None:
    """A linked directory is reported, no file in it counts as lost; the setting lets it be read."""
    (place,) = {
        path.parent.parent for path in root.rglob("*_stack.fits") if STATE_DIR not in path.parts
    }
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    for arguments in (("verify", "--quick"), ("verify",)):
        said = said_by(*arguments, home=tmp_path, archive=archive)
        assert said.code == ExitCode.STORAGE
        assert f"{place}: this is a symbolic link" in said.out
        assert "follow_links = true" in said.out
        assert "missing here" not in said.out
        said = said_by(*arguments, home=tmp_path, archive=archive, follow_links=True)
        assert said.code == ExitCode.DONE, said.out


# --- a state directory prepared by others ---------------------------------------------------------


def to_victim(place: Path, victim: Path) -> None:
    """Put a link to somebody's file there."""
    place.symlink_to(victim)


def to_zeros(place: Path, _: Path) -> None:
    """Put a link to endless zeros there."""
    place.symlink_to("/dev/zero")


def pipe(place: Path, _: Path) -> None:
    """Put a pipe there that nobody writes to."""
    os.mkfifo(place)


def bound_socket(place: Path, _: Path) -> None:
    """Put a socket there."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(place))


OUR_FILES = (
    "sessions.lock",
    "mirror.json",
    "catalog.sqlite3",
    "catalog.sqlite3-wal",
    "staging/dead/lock",
    "staging/dead/batch.published",
)


@pytest.mark.fault(
    kind="a link, a pipe or a device in the place of a file of ours",
    injected="(put below `.winter-sync`)",
    outcome="the run ends at once and says what to move away (exit code 6)",
    kept="all that was published, and the file that a link leads to",
)
@pytest.mark.parametrize(
    "harm",
    [
        to_victim,
        pipe,
        *(pytest.param(harm, marks=pytest.mark.slow) for harm in (to_zeros, bound_socket)),
    ],
)
@pytest.mark.parametrize("name", OUR_FILES)
def test_what_has_the_name_of_a_file_of_ours_is_not_used(  # noqa: PLR0917 - fixtures
    name: str,
    harm: Callable[[Path, Path], None],
    root: Path,
    tmp_path: Path,
    victim: Path,
    archive: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is read or written through it; after the remedy the mirror goes on."""
    place = root / STATE_DIR / name
    place.parent.mkdir(exist_ok=True)
    monkeypatch.chdir(place.parent)
    place.unlink(missing_ok=True)
    harm(place, victim)
    said = said_by("sync", home=tmp_path, archive=archive)
    assert said.code == ExitCode.STORAGE
    assert str(place) in said.err
    assert victim.read_bytes() == SECRET
    if name not in {"mirror.json", "catalog.sqlite3"}:  # which are restored from a backup
        follow(said.err, tmp_path)
        assert said_by("sync", home=tmp_path, archive=archive).code == ExitCode.DONE


@pytest.mark.parametrize("name", ["mirror.new", "promised"])
def test_what_is_made_anew_replaces_what_was_there(
    name: str, tmp_path: Path, victim: Path, archive: Simulator
) -> None:
    """A file that is made anew is never an older one's target, and accounts are read as numbers."""
    staging = tmp_path / "winter" / STATE_DIR / "staging" / "dead"
    staging.mkdir(parents=True)
    (tmp_path / "winter" / STATE_DIR / "mirror.new").symlink_to(victim)
    (staging / "lock").touch()
    os.mkfifo(staging / name)
    assert said_by("sync", home=tmp_path, archive=archive).code == ExitCode.DONE
    assert victim.read_bytes() == SECRET


def test_a_daemon_writes_its_name_into_no_other_file(
    root: Path, tmp_path: Path, victim: Path, archive: Simulator
) -> None:
    """The lock of a daemon is no link: a daemon says so, and the file it leads to is whole."""
    (root / STATE_DIR / "daemon.lock").symlink_to(victim)
    said = said_by("run", home=tmp_path, archive=archive)
    assert said.code == ExitCode.STORAGE
    assert "daemon.lock" in said.err
    assert victim.read_bytes() == SECRET


def test_a_state_that_is_a_link_is_refused(
    tmp_path: Path, victim: Path, archive: Simulator
) -> None:
    """`.winter-sync` is a directory, also where links are followed."""
    (tmp_path / "winter").mkdir()
    (tmp_path / "winter" / STATE_DIR).symlink_to(victim.parent)
    before = victim.parent.stat().st_mtime_ns
    for arguments in ("sync", "check"):
        said = said_by(arguments, home=tmp_path, archive=archive, follow_links=True)
        assert said.code == ExitCode.STORAGE
        assert "symbolic link" in said.err + said.out
    assert victim.parent.stat().st_mtime_ns == before


@pytest.mark.fault(
    kind="a state directory that others can write in, or that belongs to another user",
    injected="(chmod, chown)",
    outcome="it is refused, with the command that changes it (exit code 6)",
    kept="everything",
)
@pytest.mark.parametrize("where", ["in the tree", "apart"])
def test_a_state_that_others_can_change_is_refused(
    where: str, tmp_path: Path, archive: Simulator
) -> None:
    """What every user may write into is not believed; after `chmod` it is used."""
    state = tmp_path / "winter" / STATE_DIR if where == "in the tree" else tmp_path / "state"
    state.mkdir(parents=True)
    state.chmod(0o1777)
    said = said_by("sync", home=tmp_path, archive=archive, state=str(state))
    assert said.code == ExitCode.STORAGE
    assert "every user" in said.err
    checked = said_by("check", home=tmp_path, archive=archive, state=str(state))
    assert checked.code == ExitCode.STORAGE
    assert "every user" in " ".join(checked.out.split())
    assert not list(state.iterdir())
    follow(said.err, tmp_path)
    said = said_by("sync", home=tmp_path, archive=archive, state=str(state))
    assert said.code == ExitCode.DONE


def test_a_state_of_another_user_is_refused(tmp_path: Path) -> None:
    """Who made it could change it at any time; root's may be used, and that of the mirror's group.

    A group that is not the mirror's may not write there.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a directory away")
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    os.chown(tree.root, -1, 54321)
    tree.own_directory.chmod(0o2775)
    for uid, gid, refused in ((0, 54321, None), (0, 12345, "chmod g-w"), (12345, 54321, "chown")):
        os.chown(tree.own_directory, uid, gid)
        if refused is None:
            assert tree.sessions.take_over_dead() == {}
            continue
        with pytest.raises(StorageError) as told:
            tree.prepare("mirror")
        assert f"{refused} " in told.value.remedy
        assert tree.sessions.abandoned() == []


# --- forged content -------------------------------------------------------------------------------

ABSURD = {
    "deep": "[" * 200_000,
    "deep object": '{"id":' * 100_000,
    "long number": '{"format": ' + "9" * 100_000 + ', "id": "x"}',
    "endless number": '{"format": 1e999, "id": "x"}',
    "large": " " * 1_000_000,
    "list as name": '{"format": 1, "id": ["x"]}',
}


@pytest.mark.parametrize("content", ABSURD.values(), ids=ABSURD)
def test_an_absurd_marker_is_reported(content: str, tmp_path: Path) -> None:
    """A marker that no version writes is a matter of storage, with a command as the remedy."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    (tree.own_directory / "mirror.json").write_text(content)
    with pytest.raises(StorageError) as told:
        tree.prepare("mirror")
    assert "`mv " in told.value.remedy
    assert len(told.value.message) < 1000


def test_an_absurd_journal_proves_nothing(tmp_path: Path, victim: Path) -> None:
    """Lines that no version writes are passed over, also those that lead out of the tree."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    dead = tree.own_directory / "staging" / "dead"
    dead.mkdir()
    line = {
        "instrument": "winter",
        "savepath": "/x/20240130/x.fits",
        "path": path_of(STACK),
        "size": len(SECRET),
        "sha256": "0",
        "marks": {},
    }
    forged = (
        {"path": "../theirs/thesis.txt"},
        {"path": str(victim)},
        {"path": 3},
        {"path": "winter\0"},
        {"size": "many"},
        {"size": 1e300},
        {"marks": {"lastmodified": [1]}},
        {"marks": 3},
        {"savepath": None},
        {"kept": "../x"},
    )
    lines = [*ABSURD.values(), *(json.dumps(line | change) for change in forged)]
    (dead / "batch.published").write_text("\n".join(lines))
    assert tree.sessions.take_over_dead() == {"dead": False}
    assert tree.recover_evidence("dead") == []
    tree.sessions.remove("dead")
    assert tree.sessions.take_over_dead() == {}


ROWS = {
    "path out of the tree": "place = '../../etc/'",
    "path of ours": "place = '.winter-sync/'",
    "absolute path": "place = '/etc/'",
    "path that is a number": "place = x'00ff'",
    "state": "state = 'borrowed'",
    "night": "night = 'tomorrow'",
    "night of bytes": "night = x'00'",
    "instrument": "instrument = 'hubble'",
    "type": "image_type = 'selfie'",
    "size": "size = 'large'",
    "negative size": "size = -1",
    "no size": "size = NULL",
    "digest": "digest = 5",
    "damage": "damage = 'eaten'",
    "text that is no text": "place = CAST(x'ff41' AS TEXT)",
}


@pytest.mark.fault(
    kind="a row of the catalog that no version writes",
    injected="(written by another program)",
    outcome="commands end and say how to restore the catalog (exit code 6)",
    kept="all that was published",
)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=[pytest.mark.slow] if number % 2 else [])
        for number, (name, change) in enumerate(ROWS.items())
    ],
)
def test_a_row_that_no_version_writes_is_reported(
    change: str, root: Path, tmp_path: Path, archive: Simulator
) -> None:
    """What stands in a row is no traceback, and no path out of the tree is looked at."""
    with closing(sqlite3.connect(root / STATE_DIR / "catalog.sqlite3")) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("PRAGMA foreign_keys = OFF")
        one = "(SELECT {} FROM products WHERE image_type = 'stack' LIMIT 1)"
        if change.startswith("place"):
            db.execute(f"UPDATE directories SET {change} WHERE id = {one.format('directory')}")  # noqa: S608 - our own words
        else:
            db.execute(f"UPDATE products SET {change} WHERE id = {one.format('id')}")  # noqa: S608 - as above
        db.commit()
    codes = set()
    for arguments in (("verify", "--quick"), ("status",), ("sync",)):
        said = said_by(*arguments, home=tmp_path, archive=archive)
        codes.add(said.code)
        if said.code == ExitCode.STORAGE:
            assert "catalog" in said.err
            assert "backup" in said.err
    assert ExitCode.STORAGE in codes
    assert ExitCode.FAULT not in codes


# --- what the user names -------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [to_zeros, pipe])
@pytest.mark.parametrize("name", ["settings", "password", "key"])
def test_settings_and_secrets_are_read_from_files_only(
    name: str, harm: Callable[[Path, Path], None], tmp_path: Path, archive: Simulator
) -> None:
    """A pipe or an endless device in their place is a mistake in the settings, reported at once."""
    place = tmp_path / name
    harm(place, place)
    api = {"base_url": archive.url}
    program: dict[str, object] = {"name": PROGRAM}
    if name == "password":
        api |= {"password": None, "password_file": str(place)}  # type: ignore[dict-item]
    if name == "key":
        program |= {"api_key": None, "api_key_file": str(place)}
    settings = settings_file(tmp_path, api=api, programs=[program])
    said = ended("--config", place if name == "settings" else settings, "sync", home=tmp_path)
    assert said.code == ExitCode.USAGE
    assert str(place) in said.err
    assert "not a regular file" in said.err


def test_settings_that_are_too_deep_are_reported(tmp_path: Path) -> None:
    """A settings file that nests for ever is reported, without a traceback."""
    path = tmp_path / "settings.toml"
    path.write_text("x = " + "[" * 100_000)
    said = ended("--config", path, "sync", home=tmp_path)
    assert said.code == ExitCode.USAGE
    assert "not TOML" in said.err


@pytest.mark.parametrize("harm", [to_zeros, pipe])
def test_a_memory_that_cannot_be_read_is_none(
    harm: Callable[[Path, Path], None], tmp_path: Path, archive: Simulator
) -> None:
    """A pipe or a device in the place of the known roots hinders nothing."""
    place = tmp_path / ".local" / "state" / "winter-sync" / "roots.json"
    place.parent.mkdir(parents=True)
    harm(place, place)
    assert said_by("sync", home=tmp_path, archive=archive).code == ExitCode.DONE
    assert place.is_file()
    assert str(tmp_path / "winter") in place.read_text()
