"""The mirror on disk: staged parts, fsync, one rename, and what a crash left behind.

Everything of ours is under `<root>/.winter-sync/`. Parts are written there, on the file system of
the tree, so that publishing is a rename: whoever watches a night directory sees a file appear
whole (winter-api.md, "Conventions around it"). A session of work has its own directory below
`staging/`, locked as long as its process lives; a session whose lock can be taken is dead, and
what it left is evidence or rubbish.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import shutil
import stat
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync.core import (
    NO_HARD_LINKS,
    STATE_DIR,
    Beneath,
    DirectoriesNotSynced,
    Event,
    Evidence,
    GroupNotGiven,
    Instrument,
    Marks,
    StorageError,
    digest_of,
    explained,
    lock,
    make_directory,
    open_directory,
    open_own,
    open_root,
    opened,
    parts_of,
    read_own,
    refuse_shared,
    share,
    space_of,
    sync_directory,
    take_lock,
    write_all,
)
from winter_sync.tree.space import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_MARKER = "mirror.json"
_FORMAT = 1
_LOCK = "lock"
_STAGING = "staging"
_JOURNAL = ".published"
_LONGEST_MARKER = 64 * 1024
_LONGEST_JOURNAL = 64 * 1024 * 1024
_PIECE = 1024 * 1024
_LONGEST_NAME = 255

_OBSTACLES = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG})
"""What stands in the way of some files only."""


class Tree:
    """The directory of a mirror.

    Thread-safe: downloads write and publish from several threads at once.

    Parameters
    ----------
    root
        The top of the tree.
    min_free
        Bytes that must stay free on its file system.
    space
        Tells how many bytes are free on the file system of a path.
    follow_links
        Whether directories of products may be symbolic links. Our own never are.

    Raises
    ------
    StorageError
        From every method, when the disk cannot do its part. The message names the path.
    """

    def __init__(
        self,
        root: Path,
        *,
        min_free: int = 0,
        space: Callable[[Path], int] = space_of,
        follow_links: bool = False,
    ) -> None:
        self.root = root
        self.ours = root / STATE_DIR
        self.follow_links = follow_links
        self._staging = self.ours / _STAGING
        self.room = Room(root, self._staging, min_free=min_free, space=space)
        self._identity: tuple[int, int] | None = None
        """Of the root that a session works in: device and inode."""
        self._durable: set[PurePosixPath] = set()
        self._graves: dict[str, int] = {}
        self._untold: deque[Event] = deque()
        self._groups_refused: set[int] = set()

    @property
    def name(self) -> str | None:
        """The name of the mirror that lives here, from its marker; None where there is none."""
        path = self.ours / _MARKER
        with explained(path):
            try:
                with opened(open_root(self.root)) as root, opened(self._enter_ours(root)) as ours:
                    marker = read_own(path, _LONGEST_MARKER, ours)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _name_in(marker, path)

    def prepare(self, proposed: str) -> str:
        """Make the root ours, creating it if its parent exists; gives the mirror's name.

        The marker is what later tells an empty mirror from a file system that is not mounted.
        """
        with explained(self.root):
            _make_root(self.root)
            with opened(self._open_root()) as root:
                os.close(make_directory(STATE_DIR, root, self.ours, ours=True))
                with opened(self._open_ours()) as ours:
                    os.close(make_directory(_STAGING, ours, self._staging, ours=True))
                    with self._alone():
                        name = self.name or self._mark(proposed, ours)
                    if not (sync_directory(ours) and sync_directory(root)):
                        self._untold.append(DirectoriesNotSynced(str(self.root)))
        return name

    def _mark(self, name: str, ours: int) -> str:
        """Write the marker; it is there whole or not at all."""
        marker = self.ours / _MARKER
        temporary = marker.with_suffix(".new")
        with suppress(FileNotFoundError):
            os.unlink(temporary.name, dir_fd=ours)
        with opened(open_own(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ours)) as file:
            write_all(file, f"{json.dumps({'format': _FORMAT, 'id': name})}\n".encode())
            os.fsync(file)
        os.rename(temporary.name, marker.name, src_dir_fd=ours, dst_dir_fd=ours)
        return name

    def refuse_strangers(self) -> None:
        """Make sure that nobody but us can change what is recorded below `.winter-sync`.

        Raises
        ------
        StorageError
            If it is a link, belongs to another user, or may be written by others.
        """
        with explained(self.ours), suppress(FileNotFoundError, NotADirectoryError):
            os.close(self._open_ours())

    def _open_root(self) -> int:
        """Open the root, which must be the same one as long as a session works in it."""
        descriptor = open_root(self.root)
        if self._identity not in {None, _identity(descriptor)}:
            os.close(descriptor)
            said = "this is not the directory any more that it was when work began"
            raise OSError(errno.ESTALE, said, str(self.root))
        return descriptor

    def _enter_ours(self, root: int) -> int:
        return open_directory(STATE_DIR, root, self.ours, ours=True)

    def _open_ours(self) -> int:
        """Open our own directory, unless others could change what is in it."""
        with opened(self._open_root()) as root:
            descriptor = self._enter_ours(root)
            try:
                refuse_shared(descriptor, self.ours, os.fstat(root).st_gid)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def _open_session(self, name: str, staging: int) -> int:
        return open_directory(name, staging, self._staging / name, ours=True)

    def untold(self) -> Iterator[Event]:
        """Take what was noticed of the file system and not yet told; each fault once."""
        while self._untold:
            yield self._untold.popleft()

    # --- sessions ------------------------------------------------------------------------------

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """Open a session of work; its directory vanishes at the end unless evidence is in it."""
        directory = self._staging / name
        with ExitStack() as stack:
            with explained(directory), self._alone() as staging:
                os.mkdir(name, dir_fd=staging)
                descriptor = self._open_session(name, staging)
                stack.callback(os.close, descriptor)
                stack.callback(os.close, take_lock(directory / _LOCK, descriptor))
                sync_directory(staging)
                with opened(self._open_root()) as root:
                    self._identity = _identity(root)
            stack.callback(self._end, name, descriptor)
            stack.enter_context(self.room.account(directory, descriptor))
            yield Session(self, directory, descriptor)

    def _end(self, name: str, descriptor: int) -> None:
        """Remove the directory of a session, or leave it to the next start for its evidence."""
        with explained(self._staging / name), self._alone() as staging:
            if not _journals(descriptor):
                _remove(name, staging)
        self._identity = None

    def sessions(self) -> dict[str, bool]:
        """Give all sessions, and whether the process of each lives.

        A dead one is taken charge of, until it is buried: meanwhile it lives in the eyes of
        other processes, so that no two put it in order at once.
        """
        with explained(self._staging), self._alone() as staging:
            return {name: not self._take_charge(name, staging) for name in _directories_in(staging)}

    def abandoned(self) -> list[Path]:
        """Return the directories of sessions whose processes are dead, and leave them alone.

        None where this user may not look.
        """
        found = []
        with suppress(OSError, StorageError), self._alone() as staging:
            for name in _directories_in(staging):
                with suppress(OSError), opened(self._open_session(name, staging)) as directory:
                    os.close(take_lock(self._staging / name / _LOCK, directory))
                    found.append(self._staging / name)
        return found

    def _take_charge(self, name: str, staging: int) -> bool:
        """Lock the directory of a dead session; False if its process lives."""
        if name not in self._graves:
            with opened(self._open_session(name, staging)) as directory:
                try:
                    self._graves[name] = take_lock(self._staging / name / _LOCK, directory)
                except BlockingIOError:
                    return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Keep others from beginning, ending or judging sessions, in this process or another.

        Yields the descriptor of the directory of all sessions.
        """
        path = self.ours / "sessions.lock"
        with (
            opened(self._open_ours()) as ours,
            opened(open_own(path, os.O_RDWR | os.O_CREAT, ours)) as file,
        ):
            lock(file, path)
            with opened(open_directory(_STAGING, ours, self._staging, ours=True)) as staging:
                yield staging

    def testimony(self, session: str) -> list[Evidence]:
        """Give the evidence of a dead session that still holds: the file is there, the very same.

        A file is read once to make sure; there are at most as many as a few batches have.
        """
        path, heard = self._staging / session, list[Evidence]()
        with explained(path), suppress(FileNotFoundError), ExitStack() as stack:
            ours = stack.enter_context(opened(self._open_ours()))
            staging = open_directory(_STAGING, ours, self._staging, ours=True)
            stack.callback(os.close, staging)
            directory = stack.enter_context(opened(self._open_session(session, staging)))
            for name in _journals(directory):
                heard += _read_journal(path / name, directory)
        return self.confirmed(heard)

    def bury(self, session: str) -> None:
        """Remove what a dead session left, once its testimony was heard."""
        with explained(self._staging / session), self._alone() as staging:
            if session in _directories_in(staging) and self._take_charge(session, staging):
                _remove(session, staging)
            if session in self._graves:
                os.close(self._graves.pop(session))

    # --- what is there -------------------------------------------------------------------------

    def holds(self, evidence: Evidence) -> bool:
        """Tell whether the tree has what the evidence says, byte for byte.

        It does not have what cannot be read.
        """
        try:
            with Beneath(self.root, follow_links=self.follow_links) as files:
                right_size = files.lstat(evidence.path).st_size == evidence.size
        except (OSError, ValueError):
            return False
        return right_size and self.has(evidence.path, evidence.sha256)

    def has(self, path: str, sha256: str) -> bool:
        """Return whether a regular file is there, no link, and has this digest."""
        try:
            with (
                Beneath(self.root, follow_links=self.follow_links) as files,
                opened(files.open(path)) as file,
            ):
                return digest_of(file) == sha256
        except (OSError, ValueError):
            return False

    def confirmed(self, evidences: Iterable[Evidence]) -> list[Evidence]:
        """Give the evidence that holds, once what it speaks of is durable.

        Its `mtime_ns` is that of the file as it is now.
        """
        return [self._made_durable(one) for one in evidences if self.holds(one)]

    def _made_durable(self, evidence: Evidence) -> Evidence:
        path = self.place(evidence.path)
        parent = PurePosixPath(evidence.path).parent
        with explained(path), opened(self.make_directory(parent)) as directory:
            with opened(open_own(path, os.O_RDONLY, directory)) as file:
                os.fsync(file)
            sync_directory(directory)
            return replace(evidence, mtime_ns=_mtime_ns(path.name, directory))

    def place(self, path: str) -> Path:
        """Give where a path of the catalog is, which never leads out of the tree."""
        try:
            parts = parts_of(path)
            if parts[0] == STATE_DIR:
                raise ValueError(f"{path!r} is a place of our own")  # noqa: TRY301 - said as below
            return self.root.joinpath(*parts)
        except ValueError as wrong:
            raise StorageError(
                f"no product can be there: {wrong}",
                remedy=f"Restore the catalog from a backup; nothing outside {self.root} was "
                "touched.",
            ) from None

    def obstacle(self, path: str) -> StorageError | None:
        """Give what stands in the way of a file, if something does, before it is asked for.

        That is a fault of this one place, of which others can know nothing: a file where a
        directory should be or the other way round, or a link.
        """
        place = self.place(path)
        try:
            with explained(place):
                self._look_along(place)
        except StorageError as refused:
            if refused.fields["errno"] in _OBSTACLES:
                return refused
        return None

    def _look_along(self, place: Path) -> None:
        descriptor, where = open_root(self.root, look=True), self.root
        try:
            device = os.fstat(descriptor).st_dev
            for part in place.parent.relative_to(self.root).parts:
                where /= part
                below = self._look_into(descriptor, where)
                if below is None:
                    return
                os.close(descriptor)
                descriptor = below
                if os.fstat(descriptor).st_dev != device:
                    raise _in_the_way(errno.EXDEV, where)
            if stat.S_ISDIR(_mode(place.name, descriptor)):
                raise _in_the_way(errno.EISDIR, place)
        finally:
            os.close(descriptor)

    def _look_into(self, above: int, where: Path) -> int | None:
        """Open the next directory on the way; None if there is none yet."""
        try:
            return open_directory(where.name, above, where, follow=self.follow_links, look=True)
        except FileNotFoundError:
            if stat.S_ISLNK(_mode(where.name, above)):
                raise _in_the_way(errno.ENOTDIR, where) from None
            return None

    def make_directory(self, directory: PurePosixPath) -> int:
        """Make a directory of the tree, and every name on the way to it durable.

        Also those that are there already: another thread or process may have made them and not
        synced them yet. Returns its descriptor.
        """
        descriptor, where = self._open_root(), PurePosixPath()
        for part in directory.parts:
            where /= part
            try:
                below = self._make_below(descriptor, where)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _make_below(self, above: int, where: PurePosixPath) -> int:
        ours = where.parts[0] == STATE_DIR
        follow = self.follow_links and not ours
        place = self.root / where
        if where in self._durable:
            with suppress(FileNotFoundError):
                return open_directory(where.name, above, place, follow=follow, ours=ours)
        made = make_directory(where.name, above, place, follow=follow, ours=ours)
        try:
            sync_directory(above)
        except BaseException:
            os.close(made)
            raise
        self._durable.add(where)
        return made

    def share(self, part: Part, directory: int, where: Path) -> None:
        """Let a part belong to the group that has the directory it goes to, if one has.

        Staged elsewhere, it did not get that by being made. Where it cannot be given it stays ours.
        """
        try:
            if share(part.descriptor, directory):
                part.unseal()
        except OSError:
            group = os.fstat(directory).st_gid
            if group not in self._groups_refused:
                self._groups_refused.add(group)
                self._untold.append(GroupNotGiven(str(where), group))


class Session:
    """The staging place of one process; made by `Tree.session`."""

    def __init__(self, tree: Tree, directory: Path, descriptor: int) -> None:
        self.tree = tree
        self.name = directory.name
        self._directory = directory
        self._descriptor = descriptor
        self._numbers = count(1)

    def stage(self) -> Part:
        """Open an empty part."""
        path = self._directory / f"{next(self._numbers)}.part"
        with explained(path):
            return Part(path, self._descriptor)

    def publish(self, part: Part, evidence: Evidence, *, batch: str, keep: bool) -> Evidence:
        """Put a part into the tree under its final name, durably.

        Parameters
        ----------
        part
            A part that was judged.
        evidence
            What it is and where it goes; journalled before the rename.
        batch
            Under whose name it is journalled, until `committed` is told of it.
        keep
            Whether a file that is there already is kept as an older revision. One that the
            catalog does not know of is a person's, and is always to be kept.

        Returns
        -------
        Evidence
            With `kept` and `mtime_ns` filled in.
        """
        target = self.tree.place(evidence.path)
        parent = PurePosixPath(evidence.path).parent
        with explained(target), opened(self.tree.make_directory(parent)) as directory:
            self.tree.share(part, directory, target.parent)
            part.seal()
            if keep and _mode(target.name, directory):
                evidence = replace(evidence, kept=self._keep(directory, evidence.path))
            self._testify(evidence, batch)
            part.rename(target.name, directory)
            sync_directory(directory)
            # Looked up under the final name: a file system may round times when it writes them.
            return replace(evidence, mtime_ns=_mtime_ns(target.name, directory))

    def _keep(self, directory: int, path: str) -> str:
        """Give the older file a second name among the revisions, so that it outlives the rename."""
        place = PurePosixPath(STATE_DIR, "revisions", path)
        with opened(self.tree.make_directory(place.parent)) as revisions:
            for number in count(1):
                kept = place.with_name(_numbered(place.name, number))
                if self._name_again(place.name, directory, kept.name, revisions):
                    break
            sync_directory(revisions)
        return str(kept)

    def _name_again(self, name: str, directory: int, kept: str, revisions: int) -> bool:
        """Give a file a second name, or see that it has it; False if that is another file's."""
        try:
            os.link(name, kept, src_dir_fd=directory, dst_dir_fd=revisions, follow_symlinks=False)
        except FileExistsError:
            return os.path.samestat(_lstat(name, directory), _lstat(kept, revisions))
        except OSError as refused:
            if refused.errno not in NO_HARD_LINKS:
                raise
            return self._copy(name, directory, kept, revisions)
        return True

    def _copy(self, name: str, directory: int, kept: str, revisions: int) -> bool:
        """Do with a copy what cannot be done with a link; the file is never absent this way.

        Something else than a file, which nobody reads as a product, is moved.
        """
        if _mode(kept, revisions):
            return False
        found = _lstat(name, directory)
        if stat.S_ISDIR(found.st_mode):
            raise _in_the_way(errno.EISDIR, Path(name))
        if not stat.S_ISREG(found.st_mode):
            os.rename(name, kept, src_dir_fd=directory, dst_dir_fd=revisions)
            return True
        with (
            self.stage() as part,
            Reserve(self.tree, found.st_size) as reserve,
            opened(open_own(Path(name), os.O_RDONLY, directory)) as file,
        ):
            while piece := os.read(file, _PIECE):
                reserve.write(part, piece)
            with suppress(OSError):  # not every file system without links has modes
                os.utime(part.descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
                os.fchmod(part.descriptor, stat.S_IMODE(found.st_mode))
            part.seal()
            part.rename(kept, revisions)
        return True

    def _testify(self, evidence: Evidence, batch: str) -> None:
        """Write down what is about to happen, durably.

        The line begins on a new one, lest it be joined to one that a full disk cut short.
        """
        line = f"\n{json.dumps(asdict(evidence))}\n".encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with opened(open_own(self._journal(batch), flags, self._descriptor)) as journal:
            is_new = os.fstat(journal).st_size == 0
            write_all(journal, line)
            os.fsync(journal)
        if is_new:
            sync_directory(self._descriptor)

    def _journal(self, batch: str) -> Path:
        return self._directory / f"{batch}{_JOURNAL}"

    def testimony(self, batch: str) -> list[Evidence]:
        """Give what a batch put into the tree so far."""
        journal = self._journal(batch)
        with explained(journal):
            heard = _read_journal(journal, self._descriptor)
        return self.tree.confirmed(heard)

    def committed(self, batch: str) -> None:
        """Tell that the catalog holds all publications of a batch; its journal is not needed."""
        with explained(self._directory), suppress(FileNotFoundError):
            os.unlink(self._journal(batch).name, dir_fd=self._descriptor)


class Part:
    """A file that is still arriving.

    Its space is to be set aside before (`Reserve`).

    Parameters
    ----------
    path
        Its path.
    within
        The descriptor of the directory that it is in, which is used instead of the path's.
    """

    def __init__(self, path: Path, within: int | None = None) -> None:
        self.path = path
        self._name = path if within is None else path.name
        self._within = within
        self.size = 0
        self._digest = hashlib.sha256()
        self._sealed = False
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._descriptor = os.open(self._name, flags, 0o666, dir_fd=within)

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, hexadecimal."""
        return self._digest.hexdigest()

    @property
    def descriptor(self) -> int:
        """The open file, for reading back what was written."""
        return self._descriptor

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._sealed = False
        self._digest.update(data)
        with explained(self.path):
            write_all(self._descriptor, data)
        self.size += len(data)

    def seal(self) -> None:
        """Make what was written durable."""
        if not self._sealed:
            with explained(self.path):
                os.fsync(self._descriptor)
            self._sealed = True

    def unseal(self) -> None:
        """Tell that something of the file was changed, so that it must be made durable again."""
        self._sealed = False

    def rename(self, name: str, directory: int) -> None:
        """Give it its final name in a directory, known by its descriptor."""
        os.rename(self._name, name, src_dir_fd=self._within, dst_dir_fd=directory)

    def close(self) -> None:
        """Close the file; safe to repeat."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what is not durable by now is not wanted
                os.close(descriptor)

    def discard(self) -> None:
        """Remove the file, if it was not published."""
        self.close()
        with explained(self.path), suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._within)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class Reserve:
    """The space set aside for one batch, growing when its products are larger than expected.

    Use as a context manager: leaving it gives back what was not used.

    Raises
    ------
    StorageError
        If the file system has not so much to spare.
    """

    def __init__(self, tree: Tree, expected: int) -> None:
        self._room = tree.room
        self._held = 0
        self._grow(expected)

    def _grow(self, size: int) -> None:
        self._room.promise(size)
        self._held += size

    def write(self, part: Part, data: bytes | memoryview) -> None:
        """Append bytes to a part, in the space set aside.

        Raises
        ------
        StorageError
            If they exceed what was reserved and the file system has no more to spare.
        """
        size = len(data)
        self._grow(max(0, size - self._held))
        part.write(data)
        self._held -= size
        self._room.redeem(size)

    def end(self) -> None:
        """Give back what was not used."""
        held, self._held = self._held, 0
        self._room.redeem(held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def _lstat(name: str, directory: int) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _mode(name: str, directory: int) -> int:
    """Return the mode of what has a name in a directory; 0 if nothing has."""
    try:
        return _lstat(name, directory).st_mode
    except FileNotFoundError:
        return 0


def _mtime_ns(name: str, directory: int) -> int | None:
    """Return the modification time of a file; None if it is gone again by now."""
    try:
        return _lstat(name, directory).st_mtime_ns
    except OSError:
        return None


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _directories_in(descriptor: int) -> list[str]:
    """Return the names of the directories in a directory, links left out."""
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _journals(session: int) -> list[str]:
    """Return the names of the journals of a session; none if its directory was removed."""
    try:
        return sorted(name for name in os.listdir(session) if name.endswith(_JOURNAL))
    except FileNotFoundError:
        return []


def _remove(session: str, staging: int) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(session, dir_fd=staging)


def _in_the_way(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


def _make_root(root: Path) -> None:
    """Make the root, but nothing above it: a parent that is not there may not be mounted yet."""
    if root.is_dir():
        return
    try:
        root.mkdir()
    except FileExistsError:
        if not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root)) from None
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise StorageError(
            f"{root} cannot be made: there is no directory {root.parent}",
            remedy="Create that directory, or mount its file system, or set another mirror.root.",
            errno=missing.errno,
        ) from None
    sync_directory(root.parent)


def _name_in(marker: bytes, path: Path) -> str:
    """Read a marker."""
    try:
        edition, name = _fields_of(json.loads(marker))
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        quoted = shlex.quote(str(path))
        raise StorageError(
            f"the marker {path} cannot be read: {_fault(broken)}",
            remedy=f"Restore it from a backup. Or `mv {quoted} {quoted}.aside`, then "
            "`winter-sync sync --new-root`: what is there is kept.",
        ) from None
    if edition > _FORMAT:
        raise StorageError(
            f"the mirror of {path} was made by a newer winter-sync than this one",
            remedy="Use the newer one, or set another mirror.root.",
        )
    return name


def _fields_of(marker: dict[str, object]) -> tuple[int, str]:
    edition, name = marker["format"], marker["id"]
    if not isinstance(edition, int) or not isinstance(name, str) or not name:
        raise TypeError("its fields are not those that are written there")
    return edition, name


def _fault(broken: Exception) -> str:
    """Say what is wrong with a JSON text."""
    if isinstance(broken, KeyError):
        return f"it has no {broken.args[0]}"
    return "it is nested too deep" if isinstance(broken, RecursionError) else str(broken)


def _read_journal(path: Path, directory: int) -> list[Evidence]:
    """Read what was journalled; a line that a crash cut short proves nothing."""
    try:
        lines = read_own(path, _LONGEST_JOURNAL, directory).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [one for line in lines if (one := _evidence_in(line)) is not None]


def _evidence_in(line: str) -> Evidence | None:
    """Read a line of a journal; None if no version has written it."""
    try:
        fields = json.loads(line)
        fields["instrument"] = Instrument(fields["instrument"])
        fields["marks"] = Marks(**fields["marks"])
        evidence = Evidence(**fields)
        parts_of(evidence.path)
        parts_of(evidence.kept or evidence.path)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return None
    marks = (evidence.marks.lastmodified, evidence.marks.pipeversion)
    texts = (evidence.savepath, evidence.path, evidence.sha256)
    right = type(evidence.size) is int and all(type(one) is str for one in texts)
    return evidence if right and all(type(one) in {str, type(None)} for one in marks) else None


def _numbered(name: str, number: int) -> str:
    """Put a number before the last suffix of a file name, within what a name may have."""
    path = PurePosixPath(name)
    tail = f".{number}{path.suffix}"
    room = _LONGEST_NAME - len(tail.encode())
    return path.stem.encode()[:room].decode(errors="ignore") + tail
