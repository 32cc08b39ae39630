"""What the tree promises on real disks: whole files, nothing lost to a kill, and clear errors."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.disks import as_root, fill, fill_inodes, mounted, write_for_ever
from support.makers import evidence, fits, path_of, product, sha256
from support.publisher import COMMITTED, FIRST, MOMENTS, NEW, OLD, SECOND

from winter_sync.core.errors import StorageError
from winter_sync.core.filesystem import free_space, sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.storage_errors import storage_errors_explained
from winter_sync.tree.staging import Part, Reservation
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.core.downloads import Evidence
    from winter_sync.core.products import Product
    from winter_sync.tree.publishing import Session

SUPPORT = Path(__file__).parent.parent / "support"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}:{SUPPORT.parent}"}
STACK = product(0)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a prepared tree."""
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    return tree


@pytest.fixture
def session(tree: Tree) -> Iterator[Session]:
    """Yield a session of work in the tree."""
    with tree.session("session") as session:
        yield session


def put(
    session: Session,
    content: bytes,
    one: Product = STACK,
    *,
    keep: bool = True,
    path: str | None = None,
    batch: str = "batch",
) -> Evidence:
    """Publish a content of a product."""
    with session.stage() as part:
        part.write(content)
        return session.publish(part, evidence(one, content, path=path), batch=batch, keep=keep)


def published(tree: Tree) -> list[str]:
    """Return every name in the tree that is not ours."""
    found = (path.relative_to(tree.root) for path in tree.root.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if STATE_DIR not in path.parts)


def revisions(tree: Tree) -> list[bytes]:
    """Return the contents of all older revisions."""
    kept = sorted((tree.own_directory / "revisions").rglob("*"))
    return [path.read_bytes() for path in kept if path.is_file()]


def staged(tree: Tree) -> list[str]:
    """Return the names of what is staged."""
    return sorted(
        path.name for path in (tree.own_directory / "staging").rglob("*") if path.is_file()
    )


def target(tree: Tree, one: Product = STACK) -> Path:
    """Return where a product is published."""
    return tree.root / path_of(one)


# --- publishing ----------------------------------------------------------------------------------


def test_a_part_has_no_final_name_before_it_is_published(tree: Tree, session: Session) -> None:
    """While a part arrives nothing is seen outside `.winter-sync`; published, it is there whole."""
    with session.stage() as part:
        for piece in (b"one", memoryview(b"two"), b""):
            part.write(piece)
            assert published(tree) == []
        session.publish(part, evidence(STACK, b"onetwo"), batch="batch", keep=True)
    assert target(tree).read_bytes() == b"onetwo"
    assert staged(tree) == ["batch.published", "lock", "promised"]


def test_a_part_knows_its_size_and_digest(session: Session) -> None:
    """Size and SHA-256 of a part are those of all that was written."""
    with session.stage() as part:
        part.write(b"one")
        part.write(memoryview(b"two"))
        assert (part.size, part.sha256) == (6, sha256(b"onetwo"))
        assert os.pread(part.descriptor, 100, 0) == b"onetwo"


def test_a_part_that_is_not_published_vanishes(tree: Tree, session: Session) -> None:
    """A part is removed when it is left, whatever happened."""
    with pytest.raises(ZeroDivisionError), session.stage() as part:
        part.write(b"half" * (1 // part.size))
    assert staged(tree) == ["lock", "promised"]
    part.close()
    part.discard()


class Recorder:
    """Notes system calls, each with the file's name or what its descriptor is open on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        for name in ("fsync", "rename", "link", "mkdir", "write"):
            monkeypatch.setattr(os, name, self._noting(name))

    def _noting(self, name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def noting(where: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401 - os's own
            opened = isinstance(where, int)
            subject = Path(f"/proc/self/fd/{where}").readlink() if opened else Path(where)
            self.calls.append((name, subject.name))
            return call(where, *more, **options)

        return noting

    def at(self, name: str, subject: str) -> int:
        """Return when a call was made for the first time."""
        return self.calls.index((name, subject))

    def last(self, name: str, subject: str) -> int:
        """Return when a call was made for the last time."""
        return len(self.calls) - 1 - self.calls[::-1].index((name, subject))


def test_what_is_synced_before_what(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, then journal, then the journal's name are synced before the rename; after it the name.

    This is what makes a power cut as harmless as a kill.
    """
    put(session, b"before", batch="earlier")
    calls = Recorder(monkeypatch)
    put(session, b"after")
    renamed = calls.at("rename", "2.part")
    order = [
        calls.at("write", "2.part"),
        calls.at("fsync", "2.part"),
        calls.at("write", "batch.published"),
        calls.at("fsync", "batch.published"),
        calls.at("fsync", "session"),
        renamed,
        calls.last("fsync", "final"),
    ]
    assert order == sorted(order)
    assert calls.at("link", target(tree).name) < calls.last("fsync", "final") - 1
    assert calls.at("fsync", "final") < calls.at("write", "batch.published")


def test_the_names_of_new_directories_are_synced(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each directory on the way to a product is made durable in the one above it."""
    calls = Recorder(monkeypatch)
    put(session, b"content")
    above = {"final": "20240130", "20240130": "winter", "winter": tree.root.name}
    for name, parent in list(above.items())[:2]:
        assert calls.at("mkdir", name) < calls.last("fsync", parent) < calls.at("rename", "1.part")
    assert calls.at("mkdir", "winter") < calls.last("fsync", "winter")


def test_directories_made_by_another_are_synced_too(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that is there already is made durable once, since its maker may not have."""
    target(tree).parent.mkdir(parents=True)
    calls = Recorder(monkeypatch)
    put(session, b"content")
    first = [name for call, name in calls.calls if call == "fsync"]
    assert {"20240130", "winter"} <= set(first)
    calls.calls.clear()
    put(session, b"more", product(1))
    assert not {"20240130", "winter"} & {name for call, name in calls.calls if call == "fsync"}


def test_a_directory_that_a_person_removed_is_made_again(tree: Tree, session: Session) -> None:
    """Publishing goes on in a night that somebody deleted meanwhile."""
    put(session, b"one")
    target(tree).unlink()
    target(tree).parent.rmdir()
    put(session, b"two")
    assert target(tree).read_bytes() == b"two"


@pytest.mark.parametrize(
    ("umask", "file", "directory"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)]
)
def test_modes_follow_the_umask(
    tree: Tree, session: Session, umask: int, file: int, directory: int
) -> None:
    """Published files and their directories are as readable as the user's umask lets them be."""
    before = os.umask(umask)
    try:
        put(session, b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target(tree).stat().st_mode) == file
    assert stat.S_IMODE(target(tree).parent.stat().st_mode) == directory


@pytest.mark.parametrize("path", ["../outside.fits", "winter/../../outside.fits", "/outside.fits"])
def test_no_path_leads_out_of_the_tree(tree: Tree, session: Session, path: str) -> None:
    """Even a path that slipped past the layout is not followed out of the root."""
    with pytest.raises(StorageError, match="leads out of the tree"):
        put(session, b"content", path=path)
    assert [entry.name for entry in tree.root.parent.iterdir()] == [tree.root.name]


def open_files() -> int:
    """Count the descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_descriptors_are_given_back(tree: Tree) -> None:
    """Publishing, discarding, failing and recovering leave no file open."""
    before = open_files()
    with tree.session("one") as session:
        put(session, b"content")
        (target(tree, SECOND).parent).write_bytes(b"in the way")
        with pytest.raises(StorageError):
            put(session, b"content", SECOND)
        with pytest.raises(StorageError), tree.session("one"):
            pass
    assert tree.sessions.take_over_dead() == {"one": False}
    assert tree.recover_evidence("one") == [evidence(STACK, b"content")]
    tree.sessions.remove("one")
    assert open_files() == before


# --- older revisions -----------------------------------------------------------------------------


def test_an_older_revision_is_kept_and_named(tree: Tree, session: Session) -> None:
    """A replaced file stays among the revisions, and the evidence says under which name."""
    put(session, b"one")
    found = put(session, b"two")
    assert found.kept == f"{STATE_DIR}/revisions/{path_of(STACK).removesuffix('.fits')}.1.fits"
    assert (tree.root / found.kept).read_bytes() == b"one"
    assert target(tree).read_bytes() == b"two"


def test_revisions_are_numbered(tree: Tree, session: Session) -> None:
    """Each further revision takes the next number; none replaces another."""
    kept = [put(session, b"%d" % number).kept for number in range(5)]
    assert [name and name.split(".")[-2] for name in kept] == [None, "1", "2", "3", "4"]
    assert revisions(tree) == [b"0", b"1", b"2", b"3"]


def test_without_keeping_nothing_is_kept(tree: Tree, session: Session) -> None:
    """Where older revisions are not wanted, the new file simply takes the place of the old."""
    put(session, b"one")
    assert put(session, b"two", keep=False).kept is None
    assert target(tree).read_bytes() == b"two"
    assert revisions(tree) == []


def test_names_as_long_as_names_may_be_are_kept(tree: Tree, session: Session) -> None:
    """The number finds room in a name of 255 bytes, also where a character has several."""
    for name in ("x" * 250 + ".fits", "ä" * 125 + ".fits"):
        path = f"winter/20240130/final/{name}"
        put(session, b"one", path=path)
        kept = put(session, b"two", path=path).kept
        assert kept is not None
        assert kept.endswith(".1.fits")
        assert (tree.root / kept).read_bytes() == b"one"


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_a_person_put_there_is_kept(tree: Tree, session: Session, kind: str) -> None:
    """Whatever stands under a product's name, a file or a link, outlives its publication."""
    target(tree).parent.mkdir(parents=True)
    mine = tree.root.parent / "mine.fits"
    if kind == "file":
        target(tree).write_bytes(b"mine")
    else:
        target(tree).symlink_to(mine)
        if kind == "link":
            mine.write_bytes(b"mine")
    kept = tree.root / str(put(session, b"content").kept)
    assert target(tree).read_bytes() == b"content"
    assert not target(tree).is_symlink()
    assert kept.is_symlink() if kind == "dangling link" else kept.read_bytes() == b"mine"


NO_LINKS = [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV, errno.EACCES]


def refuse_links(monkeypatch: pytest.MonkeyPatch, code: int, *, looks: bool = True) -> None:
    """Make the file system one that gives no hard links, whether or not it looks first."""

    def link(source: str, target: str, *, dst_dir_fd: int, **_: object) -> None:
        if looks and target in os.listdir(dst_dir_fd):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
        raise OSError(code, os.strerror(code), source, None, target)

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("code", NO_LINKS, ids=errno.errorcode.get)
def test_without_hard_links_a_copy_is_kept(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Where a file can have no second name, a synced copy with its times is kept instead."""
    refuse_links(monkeypatch, code)
    put(session, b"one" * 1_000_000)
    os.utime(target(tree), (1_600_000_000, 1_600_000_000))
    calls = Recorder(monkeypatch)
    kept = tree.root / str(put(session, b"two").kept)
    assert kept.read_bytes() == b"one" * 1_000_000
    assert kept.stat().st_mtime == 1_600_000_000
    assert calls.at("fsync", "3.part") < calls.at("rename", "3.part") < calls.at("rename", "2.part")
    put(session, b"three")
    assert revisions(tree) == [b"one" * 1_000_000, b"two"]
    assert not [name for name in staged(tree) if name.endswith(".part")]


def test_a_copy_never_replaces_a_copy(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a file system that refuses links before it looks at names keeps every revision."""
    refuse_links(monkeypatch, errno.EPERM, looks=False)
    for content in (b"one", b"two", b"three"):
        put(session, content)
    assert revisions(tree) == [b"one", b"two"]


def test_a_copy_takes_no_more_than_may_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room for a copy the older file stays where it is, and the error says so."""
    refuse_links(monkeypatch, errno.EPERM)
    tree = Tree(tmp_path / "winter", free_space=lambda _: 1000)
    tree.prepare("mirror")
    with tree.session("session") as session:
        put(session, b"x" * 1001)
        with pytest.raises(StorageError, match=r"not enough space in .*: 1 kB needed"):
            put(session, b"two")
        session.forget_journal("batch")
    assert target(tree).read_bytes() == b"x" * 1001
    assert (revisions(tree), tree.space.free()) == ([], 1000)


def test_any_other_refusal_to_link_is_an_error(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is not taken for a file system without links: the older file stays."""
    put(session, b"one")
    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(StorageError, match="No space left"):
        put(session, b"two")
    assert target(tree).read_bytes() == b"one"


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_a_reader_never_finds_the_file_absent_or_torn(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    """Whoever opens a product while it is replaced finds one whole revision or another."""
    if not links:
        refuse_links(monkeypatch, errno.EPERM)
    contents = [bytes([number]) * 50_000 for number in range(60)]
    put(session, contents[0])
    whole = {sha256(content) for content in contents}
    found: set[str] = set()
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found.add(sha256_of_file(target(tree)))
        except OSError as absent:
            found.add(str(absent))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for content in contents[1:]:
            put(session, content)
    finally:
        done.set()
        reader.join()
    assert found
    assert found <= whole
    assert sorted(revisions(tree)) == contents[:-1]


# --- kills ---------------------------------------------------------------------------------------


def publisher(*arguments: str | Path) -> int:
    """Run a publishing process and give how it ended."""
    command = [sys.executable, str(SUPPORT / "publisher.py"), *map(str, arguments)]
    done = subprocess.run(command, check=False, env=ENVIRONMENT)  # noqa: S603 - ourselves
    return done.returncode


def recovered(tree: Tree) -> list[Evidence]:
    """Recover a tree as a new process does; gives the testimony of the dead."""
    heard: list[Evidence] = []
    for name, alive in tree.sessions.take_over_dead().items():
        assert not alive
        heard += tree.recover_evidence(name)
        tree.sessions.remove(name)
    return heard


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_each_step(tmp_path: Path, moment: str) -> None:
    """Killed after any step, what was renamed is there whole and testified, and nothing else is."""
    tree = Tree(tmp_path / "winter")
    assert publisher(tree.root, "named", moment) < 0
    is_new = moment in ("rename", "publish", "commit")
    assert target(tree, FIRST).read_bytes() == (NEW if is_new else OLD)
    heard = recovered(tree)
    renamed = [FIRST.identity] if moment in ("rename", "publish") else []
    assert [(one.instrument, one.savepath) for one in heard] == renamed
    assert all((tree.root / str(one.kept)).read_bytes() == OLD for one in heard)
    assert staged(tree) == []
    assert len(published(tree)) == (2 if moment == "commit" else 1)


@pytest.mark.parametrize("links", ["hard", "none"])
def test_a_kill_at_every_system_call(tmp_path: Path, links: str) -> None:
    """Killed before any system call of two publications, the tree holds whole files it can prove.

    Nothing is under a final name but whole revisions; testimony is given of exactly what was
    renamed and not committed; recovery leaves nothing behind.
    """
    assert publisher(tmp_path, "every", links) == 0
    roots = [tmp_path / str(number) for number in range(len(list(tmp_path.glob("*[0-9]"))))]
    testimonies = [check_killed(Tree(root)) for root in roots]
    assert len(roots) > 40
    assert {0, 1, 2} == set(testimonies[:-1])


def check_killed(tree: Tree) -> int:
    """Check one tree of a killed process; gives how many files its session testified to."""
    new = {one for one in (FIRST, SECOND) if target(tree, one).exists()}
    if target(tree, FIRST).read_bytes() == OLD:
        new.discard(FIRST)
    assert all(target(tree, one).read_bytes() == NEW for one in new)
    assert len(published(tree)) == len(new | {FIRST})
    assert set(revisions(tree)) <= {OLD}
    heard = recovered(tree)
    if not tree.root.with_name(f"{tree.root.name}.{COMMITTED}").exists():
        assert {one.savepath for one in heard} == {one.savepath for one in new}
    assert staged(tree) == []
    assert len(revisions(tree)) <= 1 or not _has_links(tree)
    return len(heard)


def _has_links(tree: Tree) -> bool:
    return any(
        path.stat().st_nlink > 1 for path in (tree.own_directory / "revisions").rglob("*.fits")
    )


def test_publishing_again_after_a_kill_keeps_the_old_one_once(tmp_path: Path) -> None:
    """A revision that got its second name just before a kill does not get a third one."""
    tree = Tree(tmp_path / "winter")
    publisher(tree.root, "named", "journal")
    recovered(tree)
    with tree.session("session") as session:
        assert put(session, NEW, FIRST).kept is not None
        session.forget_journal("batch")
    assert revisions(tree) == [OLD]


def test_a_journal_of_the_version_before_is_believed(tree: Tree) -> None:
    """Its lines have no modification time: the file's own is taken, and all else counts."""
    with tree.session("earlier") as session:
        put(session, b"one")
        (journal,) = (tree.own_directory / "staging" / "earlier").glob("*.published")
        fields = json.loads(journal.read_text())
        del fields["mtime_ns"]
        journal.write_text(json.dumps(fields) + "\n")
        (held,) = session.recover_evidence("batch")
    assert held == evidence(STACK, b"one")
    assert held.mtime_ns == (tree.root / held.path).stat().st_mtime_ns


def test_a_line_cut_short_proves_nothing_and_spoils_nothing(tree: Tree, session: Session) -> None:
    """Of a journal with torn and foreign lines, every whole line is still heard."""
    put(session, b"one")
    journal = tree.own_directory / "staging" / "session" / "batch.published"
    line = journal.read_text().strip()
    with journal.open("a") as file:
        file.write(line[:70])
    put(session, b"two", SECOND)
    with journal.open("ab") as file:
        file.write(b'[1]\n{"instrument": "moon"}\n\xff\xfe\nnull\n')
    heard = session.recover_evidence("batch")
    assert heard == [evidence(STACK, b"one"), evidence(SECOND, b"two")]


@pytest.mark.parametrize("what", ["gone", "changed", "shorter", "directory"])
def test_testimony_is_only_of_what_is_there(tree: Tree, session: Session, what: str) -> None:
    """A file that was removed or altered after it was published is not vouched for."""
    put(session, b"content")
    target(tree).unlink()
    match what:
        case "changed":
            target(tree).write_bytes(b"CONTENT")
        case "shorter":
            target(tree).write_bytes(b"cont")
        case "directory":
            target(tree).mkdir()
    assert session.recover_evidence("batch") == []


def test_what_is_vouched_for_is_durable(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication that was killed before its last sync is synced before it is testified to."""
    put(session, b"content")
    calls = Recorder(monkeypatch)
    assert session.recover_evidence("batch")
    assert calls.at("fsync", target(tree).name) < calls.at("fsync", "final")


def test_evidence_is_forgotten_once_committed(tree: Tree, session: Session) -> None:
    """A committed batch has no journal, another batch keeps its own; saying it twice is no harm."""
    put(session, b"one", batch="one")
    put(session, b"two", SECOND, batch="two")
    session.forget_journal("one")
    session.forget_journal("one")
    assert session.recover_evidence("one") == []
    assert session.recover_evidence("two") == [evidence(SECOND, b"two")]
    assert tree.recover_evidence("session") == [evidence(SECOND, b"two")]
    session.forget_journal("two")


# --- sessions ------------------------------------------------------------------------------------


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that opens sessions, as soon as it says that it is ready."""
    command = [sys.executable, str(SUPPORT / "sessions.py"), *map(str, arguments)]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            heard(process)
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ask(process: subprocess.Popen[str], line: str = "") -> str:
    """Send a line to a process and give its answer."""
    tell(process, line)
    return heard(process)


def tell(process: subprocess.Popen[str], line: str = "") -> None:
    """Send a line to a process."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def test_the_living_and_the_dead_are_told_apart(tree: Tree) -> None:
    """A session lives as long as its process; killed, it is dead, and burying removes it."""
    with tree.session("ours"), running(tree.root, "hold", "theirs") as process:
        assert tree.sessions.take_over_dead() == {"ours": True, "theirs": True}
        process.kill()
        process.wait()
        assert tree.sessions.take_over_dead() == {"ours": True, "theirs": False}
        tree.sessions.remove("theirs")
        assert tree.sessions.take_over_dead() == {"ours": True}
    assert tree.sessions.take_over_dead() == {}


def test_a_dead_session_is_recovered_by_one_process_only(tree: Tree) -> None:
    """What one process has found dead lives in the eyes of another, until it is buried."""
    with running(tree.root, "hold", "theirs") as dying:
        dying.kill()
        dying.wait()
    with running(tree.root, "judge") as other:
        assert tree.sessions.take_over_dead() == {"theirs": False}
        assert ask(other) == ""
        assert tree.sessions.take_over_dead() == {"theirs": False}
        tree.sessions.remove("theirs")
        assert ask(other) == ""
    assert tree.sessions.take_over_dead() == {}


def test_a_recovering_process_that_dies_leaves_the_dead_to_the_next(tree: Tree) -> None:
    """If the process that takes charge of a dead session is killed too, another takes over."""
    with running(tree.root, "hold", "theirs") as dying:
        dying.kill()
        dying.wait()
    with running(tree.root, "judge") as other:
        assert ask(other) == "theirs"
        assert tree.sessions.take_over_dead() == {"theirs": True}
        other.kill()
        other.wait()
        assert tree.sessions.take_over_dead() == {"theirs": False}
        tree.sessions.remove("theirs")


def test_the_living_cannot_be_buried(tree: Tree) -> None:
    """Burying a session that lives, or that is not there, does nothing."""
    with tree.session("ours") as session:
        tree.sessions.remove("ours")
        tree.sessions.remove("nobody")
        put(session, b"content")
        session.forget_journal("batch")


def test_nobody_is_taken_for_dead_while_beginning_or_ending(tree: Tree) -> None:
    """However often another process begins and ends sessions, none of them ever seems dead."""
    seen: set[str] = set()
    with running(tree.root, "spin") as process:
        while len(seen) < 50:
            found = tree.sessions.take_over_dead()
            assert all(found.values())
            seen |= set(found)
        process.communicate()
        assert process.returncode == 0
    assert tree.sessions.take_over_dead() == {}


def test_a_session_with_evidence_stays_for_the_next_start(tree: Tree) -> None:
    """A session that ends before its batch is committed leaves its journal, and is then dead."""
    with tree.session("one") as session:
        put(session, b"content")
    assert tree.sessions.take_over_dead() == {"one": False}
    assert recovered(tree) == [evidence(STACK, b"content")]
    assert tree.sessions.take_over_dead() == {}


def test_a_session_without_evidence_goes_with_all_it_staged(tree: Tree) -> None:
    """A session that ends takes its directory with it, also where a part was left in it."""
    with tree.session("one") as session:
        session.stage().close()
    assert tree.sessions.take_over_dead() == {}
    assert staged(tree) == []


def test_two_sessions_cannot_have_one_name(tree: Tree) -> None:
    """A second session of a name is refused, and the first goes on."""
    with tree.session("one") as session:
        with pytest.raises(StorageError, match="File exists"), tree.session("one"):
            pass
        put(session, b"content")
        session.forget_journal("batch")
    assert tree.sessions.take_over_dead() == {}


# --- the root and its marker ---------------------------------------------------------------------


def test_a_root_is_made_once(tmp_path: Path) -> None:
    """Preparing makes the root and names the mirror; later names are not taken."""
    tree = Tree(tmp_path / "winter")
    assert tree.name is None
    assert tree.prepare("one") == "one"
    assert Tree(tmp_path / "winter").prepare("two") == "one"
    assert tree.name == "one"


def test_a_new_mirror_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root, its marker and a session's place are synced, each before it is relied upon."""
    calls = Recorder(monkeypatch)
    tree = Tree(tmp_path / "winter")
    tree.prepare("mirror")
    marked = calls.at("rename", "mirror.new")
    assert calls.at("mkdir", "winter") < calls.at("fsync", tmp_path.name)
    assert calls.at("fsync", "mirror.new") < marked
    assert marked < calls.at("fsync", STATE_DIR) < calls.at("fsync", "winter")
    with tree.session("session"):
        assert calls.at("mkdir", "session") < calls.at("fsync", "staging")


def test_processes_that_begin_together_agree_on_the_name(tmp_path: Path) -> None:
    """Of several processes that make one mirror at the same moment, all get the same name."""
    for turn in range(3):
        root = tmp_path / str(turn)
        with (
            running(root, "prepare", "one") as first,
            running(root, "prepare", "two") as second,
            running(root, "prepare", "three") as third,
        ):
            processes = (first, second, third)
            for process in processes:
                tell(process)
            assert {heard(process) for process in processes} == {Tree(root).name}


def test_a_root_whose_parent_is_missing_is_refused(tmp_path: Path) -> None:
    """Only the root itself is made: a missing parent may be a disk that is not mounted."""
    tree = Tree(tmp_path / "disk" / "winter")
    with pytest.raises(StorageError, match=f"{tmp_path}/disk does not exist") as refused:
        tree.prepare("mirror")
    assert "mount" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_root_below_a_file_is_refused(tmp_path: Path) -> None:
    """A file where the root's parent should be is named."""
    (tmp_path / "disk").write_bytes(b"mine")
    with pytest.raises(StorageError, match=f"{tmp_path}/disk is not a directory"):
        Tree(tmp_path / "disk" / "winter").prepare("mirror")


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_a_root_that_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    """A file or a link to nothing in the root's place is named and left alone."""
    root = tmp_path / "winter"
    if kind == "file":
        root.write_bytes(b"mine")
    else:
        root.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match=f"{root}: Not a directory") as refused:
        Tree(root).prepare("mirror")
    assert refused.value.remedy
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "marker",
    [b"", b"null", b"[]", b"{}", b'{"id": "x"}', b'{"format": "x", "id": "y"}', b"\xff\xfe"],
)
def test_a_broken_marker_is_told(tree: Tree, marker: bytes) -> None:
    """A marker that cannot be read is neither replaced nor ignored."""
    path = tree.own_directory / "mirror.json"
    path.write_bytes(marker)
    with pytest.raises(StorageError, match="cannot be read") as broken:
        tree.prepare("another")
    assert str(path) in broken.value.message
    assert path.read_bytes() == marker


def test_a_newer_mirror_is_left_alone(tree: Tree) -> None:
    """A mirror of a newer edition is told apart from a broken one."""
    (tree.own_directory / "mirror.json").write_text(json.dumps({"format": 2, "id": "x"}))
    with pytest.raises(StorageError, match="newer winter-sync"):
        _ = tree.name


# --- errors --------------------------------------------------------------------------------------


def test_something_in_the_way_is_named(tree: Tree, session: Session) -> None:
    """A file where a night should be, and a directory where a file should be, are told."""
    (tree.root / "winter").write_bytes(b"mine")
    with pytest.raises(StorageError, match=f"{tree.root}/winter") as refused:
        put(session, b"content")
    assert "move it away" in refused.value.remedy
    (tree.root / "winter").unlink()
    target(tree).mkdir(parents=True)
    for keep in (True, False):
        with pytest.raises(StorageError, match="Is a directory") as refused:
            put(session, b"content", keep=keep)
        assert "move it away" in refused.value.remedy
    assert target(tree).is_dir()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.ENOTDIR, "move it away"),
        (errno.ENOENT, "mounted"),
        (errno.EIO, "disk"),
        (errno.ENXIO, "Check that path"),
    ],
)
def test_every_error_of_the_disk_has_a_path_and_a_remedy(code: int, remedy: str) -> None:
    """What the system says becomes one line with the path, and one with what to do."""
    with pytest.raises(StorageError) as failed, storage_errors_explained(Path("/some/where")):
        raise OSError(code, os.strerror(code))
    assert failed.value.message == f"/some/where: {os.strerror(code)}"
    assert remedy in failed.value.remedy
    assert failed.value.errno == code


AS_NOBODY = """
import os, sys
from pathlib import Path
from winter_sync.core import StorageError
from winter_sync.tree.tree import Tree
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Tree(Path(sys.argv[1])).prepare("mirror")
except StorageError as refused:
    print(refused, refused.remedy, sep="|")
"""


@pytest.mark.fault(
    kind="permission to write in the root is lost",
    injected="(a process of another user)",
    outcome="the run ends (exit code 6) and asks for the permission",
    kept="all that was published",
)
def test_a_root_one_may_not_write_in_is_told() -> None:
    """Without write permission the error names the path and asks for the permission."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        command = [sys.executable, "-c", AS_NOBODY, f"{name}/winter"]
        done = subprocess.run(  # noqa: S603 - ourselves
            command, capture_output=True, text=True, env=ENVIRONMENT, check=True
        )
        Path(name).chmod(0o755)
    message, remedy = done.stdout.strip().split("|")
    assert message == f"{name}/winter: Permission denied"
    assert "write permission" in remedy


# --- space ---------------------------------------------------------------------------------------


class Disk:
    """The space of a file system, driven."""

    def __init__(self, free: int) -> None:
        self.left = free

    def __call__(self, path: Path) -> int:
        """Return what is free."""
        del path
        return self.left


@pytest.fixture
def disk() -> Disk:
    """Return a disk with a thousand bytes free."""
    return Disk(1000)


@pytest.fixture
def small_tree(tmp_path: Path, disk: Disk) -> Tree:
    """Return a tree on that disk, of which 100 bytes must stay free."""
    tree = Tree(tmp_path / "winter", min_free=100, free_space=disk)
    tree.prepare("mirror")
    return tree


def test_free_space_is_what_may_still_be_written(small_tree: Tree, disk: Disk) -> None:
    """Free is what the disk has, less the minimum, less what is promised."""
    assert small_tree.space.free() == 900
    small_tree.space.reserve(300)
    assert small_tree.space.free() == 600
    disk.left = 350
    assert small_tree.space.free() == -50
    small_tree.space.release(300)
    assert small_tree.space.free() == 250


def test_no_more_is_promised_than_there_is(small_tree: Tree) -> None:
    """A promise beyond what is free is refused, says the figures, and changes nothing."""
    small_tree.space.reserve(500)
    with pytest.raises(StorageError, match="401 B needed; 400 B is free") as refused:
        small_tree.space.reserve(401)
    assert str(small_tree.root) in refused.value.message
    assert refused.value.errno == errno.ENOSPC
    small_tree.space.reserve(400)
    assert small_tree.space.free() == 0


@pytest.fixture
def part(small_tree: Tree) -> Iterator[Part]:
    """Yield an empty part in the small tree."""
    with small_tree.session("session") as session, session.stage() as part:
        yield part


def test_a_reserve_is_used_up_and_given_back(small_tree: Tree, disk: Disk, part: Part) -> None:
    """What is written comes off the reserve and off the disk; the rest is given back at the end."""
    with Reservation(small_tree.space, 300) as reserve:
        reserve.write(part, b"x" * 100)
        disk.left -= 100
        assert small_tree.space.free() == 600
    assert small_tree.space.free() == 800


def test_a_reserve_grows_by_what_is_needed(small_tree: Tree, disk: Disk, part: Part) -> None:
    """Products larger than expected are written as long as there is room, to the last byte."""
    with Reservation(small_tree.space, 10) as reserve:
        for _ in range(9):
            reserve.write(part, b"x" * 100)
            disk.left -= 100
        assert small_tree.space.free() == 0
        with pytest.raises(StorageError, match=r"not enough space in .*: 1 B needed"):
            reserve.write(part, b"x")
    assert (part.size, small_tree.space.free()) == (900, 0)


def test_a_reserve_does_not_take_what_is_promised_to_another(small_tree: Tree, part: Part) -> None:
    """Growth of one batch stops before the space set aside for another."""
    with Reservation(small_tree.space, 800), Reservation(small_tree.space, 50) as reserve:
        reserve.write(part, b"x" * 50)
        with pytest.raises(StorageError, match="not enough space"):
            reserve.write(part, b"x" * 101)
        reserve.write(part, b"x" * 100)
    assert small_tree.space.free() == 900


def test_a_failed_write_keeps_no_space(small_tree: Tree, part: Part) -> None:
    """When the disk refuses a write, ending the reserve gives everything back."""
    part.close()
    with pytest.raises(StorageError), Reservation(small_tree.space, 10) as reserve:
        reserve.write(part, b"x" * 200)
    assert small_tree.space.free() == 900


def test_a_reserve_that_cannot_begin_takes_nothing(small_tree: Tree) -> None:
    """A batch for which there is no room leaves the accounts as they were."""
    with pytest.raises(StorageError):
        Reservation(small_tree.space, 901)
    assert small_tree.space.free() == 900


@given(st.lists(st.tuples(st.integers(0, 400), st.lists(st.integers(0, 200), max_size=6))))
def test_accounts_always_balance(batches: list[tuple[int, list[int]]]) -> None:
    """Whatever is reserved, written or refused, the minimum stays free and accounts end at nil."""
    disk = Disk(1000)
    tree = Tree(Path("/nowhere"), min_free=100, free_space=disk)
    for expected, writes in batches:
        with pytest.raises(StorageError) if expected > disk.left - 100 else nullcontext():
            write_all(tree, disk, expected, writes)
        assert disk.left >= 100
        assert tree.space.free() == disk.left - 100


def write_all(tree: Tree, disk: Disk, expected: int, writes: list[int]) -> None:
    """Write through a reserve as much as it lets us."""
    with (
        tempfile.TemporaryDirectory() as name,
        Reservation(tree.space, expected) as reserve,
        Part(Path(name, "1.part")) as part,
    ):
        for size in writes:
            if size <= disk.left - 100:
                reserve.write(part, b"x" * size)
                disk.left -= size
            else:
                with pytest.raises(StorageError):
                    reserve.write(part, b"x" * size)


def test_two_threads_never_share_the_last_room(tmp_path: Path) -> None:
    """Of two threads that want all that is free at the same moment, one gets it."""
    both = threading.Barrier(2)
    refused: list[str] = []

    class Free(int):
        """A figure that is not worked with before two threads have it, if they can."""

        def __sub__(self, less: int) -> Free:
            with suppress(threading.BrokenBarrierError):
                both.wait(0.1)
            return Free(int(self) - less)

    crowded = Tree(tmp_path, free_space=lambda _: Free(1000))

    def want_all() -> None:
        try:
            crowded.space.reserve(1000)
        except StorageError as full:
            refused.append(full.message)

    other = threading.Thread(target=want_all)
    other.start()
    want_all()
    other.join()
    assert len(refused) == 1
    assert crowded.space.free() == 0


@pytest.mark.fault(
    kind="a disk that another process is about to fill",
    injected="(a second process that has set space aside)",
    outcome="what it is fetching counts as used; what fits no more is not begun",
    kept="the space that must stay free",
)
def test_what_another_process_promised_is_not_free(small_tree: Tree) -> None:
    """It counts as long as it is promised, and after a kill until the session is buried."""
    with running(small_tree.root, "promise", "other", "300") as other:
        assert small_tree.space.free() == 600
        with pytest.raises(StorageError, match="601 B needed; 600 B is free"):
            small_tree.space.reserve(601)
        assert ask(other, "100") == "redeemed"
        assert small_tree.space.free() == 700
        other.kill()
        other.wait()
        assert small_tree.space.free() == 700
    assert small_tree.sessions.take_over_dead() == {"other": False}
    small_tree.sessions.remove("other")
    assert small_tree.space.free() == 900


def test_what_is_promised_is_told_to_others(small_tree: Tree, tmp_path: Path, disk: Disk) -> None:
    """As long as the session lasts another tree sees what is promised and not yet written."""
    other = Tree(tmp_path / "winter", min_free=100, free_space=disk)
    with small_tree.session("session") as session, session.stage() as part:
        with Reservation(small_tree.space, 300) as reserve:
            reserve.write(part, b"x" * 100)
            assert (small_tree.space.free(), other.space.free()) == (700, 700)
        assert (small_tree.space.free(), other.space.free()) == (900, 900)
        small_tree.space.reserve(50)
        assert other.space.free() == 850
    assert other.space.free() == 900


def test_two_processes_never_share_the_last_room(tmp_path: Path) -> None:
    """One that wants all that is free just when another looks whether it may have it is refused."""
    greedy = Tree(tmp_path / "winter", free_space=lambda _: 1000)
    greedy.prepare("mirror")

    def looked_at(_: Path) -> int:
        with pytest.raises(StorageError, match="1 kB needed; nothing is free"):
            greedy.space.reserve(1000)
        return 1000

    first = Tree(tmp_path / "winter", free_space=looked_at)
    with first.session("first"), greedy.session("greedy"):
        first.space.reserve(1000)
        assert greedy.space.free() == 0


def test_an_account_that_cannot_be_kept_is_no_reason_to_stop(small_tree: Tree) -> None:
    """On a disk that is full to the last block, what was set aside is still given back."""
    with small_tree.session("session"):
        (descriptor,) = small_tree.space._records.values()
        unwritable = os.open("/dev/full", os.O_WRONLY)
        os.dup2(unwritable, descriptor)
        os.close(unwritable)
        small_tree.space.reserve(300)
        small_tree.space.release(300)
        assert small_tree.space.free() == 900


@pytest.mark.parametrize("account", [b"", b"nonsense"])
def test_an_account_that_says_nothing_counts_for_nothing(small_tree: Tree, account: bytes) -> None:
    """Such as that of a session which has just begun."""
    session = small_tree.root / STATE_DIR / "staging" / "other"
    session.mkdir()
    (session / "promised").write_bytes(account)
    assert small_tree.space.free() == 900


def test_the_space_of_a_real_file_system(tmp_path: Path) -> None:
    """Without a disk of our own the system's own figure counts, and a missing root is told."""
    assert free_space(tmp_path) > 0
    assert Tree(tmp_path).space.free() > 0
    with pytest.raises(StorageError, match="No such file") as missing:
        Tree(tmp_path / "gone").space.free()
    assert "mounted" in missing.value.remedy


# --- a disk that is full -------------------------------------------------------------------------


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield a mounted file system of a few megabytes."""
    with mounted(request.param, tmp_path) as disk:
        yield disk


@pytest.fixture
def full_tree(small_disk: Path) -> Iterator[tuple[Tree, Session, Path]]:
    """Yield a tree and a session on a small disk, with the directory of the product made."""
    tree = Tree(small_disk / "winter")
    tree.prepare("mirror")
    with tree.session("session") as session:
        put(session, b"one")
        session.forget_journal("batch")
        yield tree, session, small_disk


def check_nothing_happened(tree: Tree, session: Session, content: bytes = b"one") -> None:
    """Check that the published file is as it was, and that nothing was left in the staging."""
    assert published(tree) == [path_of(STACK)]
    assert target(tree).read_bytes() == content
    assert not [name for name in staged(tree) if name.endswith(".part")]
    assert [
        one for one in session.recover_evidence("batch") if one.savepath != STACK.savepath
    ] == []


@pytest.mark.fault(
    kind="a disk without room for another file, when one is opened",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published",
)
def test_full_when_a_part_is_opened(full_tree: tuple[Tree, Session, Path]) -> None:
    """Where no file can be made, staging says so and leaves nothing."""
    tree, session, disk = full_tree
    fill_inodes(disk)
    with pytest.raises(StorageError, match="No space left") as full:
        session.stage()
    assert "Free some space" in full.value.remedy
    check_nothing_happened(tree, session)


@pytest.mark.fault(
    kind="a disk that is full in the middle of a file",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published; nothing of the half file",
)
def test_full_in_the_middle_of_a_file(full_tree: tuple[Tree, Session, Path]) -> None:
    """A file for which there is no room half-way is given up, and its space with it."""
    tree, session, _ = full_tree
    before = tree.space.free()
    with pytest.raises(StorageError, match="No space left"), session.stage() as part:
        write_for_ever(part.write, bytes(100_000))
    check_nothing_happened(tree, session)
    assert tree.space.free() == before


@pytest.mark.fault(
    kind="a disk without room for the directory of a night",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published",
)
def test_full_when_the_directory_is_made(full_tree: tuple[Tree, Session, Path]) -> None:
    """A night that cannot be made keeps its product out, until there is room."""
    tree, session, disk = full_tree
    content = bytes(20_000)
    with session.stage() as part:
        part.write(content)
        (fill_inodes if _is_tmpfs(disk) else fill)(disk)
        with pytest.raises(StorageError, match="No space left"):
            session.publish(part, evidence(SECOND, content), batch="batch", keep=True)
    check_nothing_happened(tree, session)


def _is_tmpfs(disk: Path) -> bool:
    return f"{disk} tmpfs" in Path("/proc/mounts").read_text()


@pytest.mark.fault(
    kind="a disk that is full when a publication is journalled",
    injected="(small real file systems, ext4 and tmpfs, filled)",
    outcome="the run ends (exit code 6) and says what is needed",
    kept="all that was published, the older revision too",
)
def test_full_when_evidence_is_written(full_tree: tuple[Tree, Session, Path]) -> None:
    """Without room for the journal nothing is renamed; with room again, the next one goes well."""
    tree, session, disk = full_tree
    with session.stage() as part:
        part.write(b"two")
        ballast = fill(disk)
        with pytest.raises(StorageError, match="No space left"):
            session.publish(part, evidence(STACK, b"two"), batch="batch", keep=False)
    check_nothing_happened(tree, session)
    ballast.unlink()
    put(session, b"three")
    check_nothing_happened(tree, session, b"three")
    assert session.recover_evidence("batch") == [
        replace(
            evidence(STACK, b"three"),
            kept=f"{STATE_DIR}/revisions/{path_of(STACK)[:-5]}.1.fits",
        )
    ]
    session.forget_journal("batch")


@pytest.mark.fault(
    kind="a disk that refuses only at fsync or at rename (full, over quota, failing)",
    injected="(the system call fails)",
    outcome="as above, with the remedy for each",
    kept="all that was published, the older revision too",
)
@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_refuses_late(
    tree: Tree, session: Session, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """A disk that takes the bytes and refuses the sync or the rename publishes nothing.

    Network file systems tell a full disk only then; a local one has no way to be made to.
    """
    put(session, b"one")
    session.forget_journal("batch")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StorageError, match=os.strerror(code)):
            put(session, b"two")
    check_nothing_happened(tree, session)


def test_a_file_system_that_became_read_only(small_disk: Path) -> None:
    """On a read-only file system every step says so; what is there can still be read."""
    tree = Tree(small_disk / "winter")
    tree.prepare("mirror")
    with tree.session("session") as session:
        held = put(session, b"content")
    as_root(["mount", "-o", "remount,ro", str(small_disk)])
    begin = tree.session("next")
    for step in (lambda: tree.prepare("mirror"), begin.__enter__, tree.sessions.take_over_dead):
        with pytest.raises(StorageError, match="Read-only file system") as refused:
            step()
        assert "remount" in refused.value.remedy
    assert tree.name == "mirror"
    assert tree.holds(held)


def test_a_directory_on_another_disk_is_told(small_disk: Path, tmp_path: Path) -> None:
    """A night that is a link to another file system is refused with the reason."""
    tree = Tree(tmp_path / "winter", follow_links=True)
    tree.prepare("mirror")
    target(tree).parent.parent.mkdir(parents=True)
    target(tree).parent.symlink_to(small_disk)
    with tree.session("session") as session:
        with pytest.raises(StorageError, match="cross-device") as refused:
            put(session, b"content")
        session.forget_journal("batch")
    assert "one file system" in refused.value.remedy
    assert staged(tree) == []


# --- what is there -------------------------------------------------------------------------------


def test_a_file_is_held_only_byte_for_byte(tree: Tree, session: Session) -> None:
    """The tree has what it is said to have only where size and digest are those of the file."""
    held = put(session, b"content")
    session.forget_journal("batch")
    assert tree.holds(held)
    assert tree.has_content(held.path, held.sha256)
    assert not tree.holds(replace(held, size=6))
    assert not tree.holds(replace(held, sha256=sha256(b"CONTENT")))
    assert not tree.holds(replace(held, path="winter/20240130/final/other.fits"))
    assert not tree.has_content("winter/20240130/final", held.sha256)


def test_a_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    """The digest of a file longer than one piece is that of all its bytes."""
    content = fits(3, blocks=1000)
    (tmp_path / "x.fits").write_bytes(content)
    assert len(content) > 2 * 1024 * 1024
    assert sha256_of_file(tmp_path / "x.fits") == sha256(content)
