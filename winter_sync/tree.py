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
import shutil
import stat
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync.disk import (
    NO_HARD_LINKS,
    digest_of_regular,
    explained,
    is_directory,
    lock,
    make_directory,
    share,
    space_of,
    sync_directory,
    sync_file,
    take_lock,
    write_all,
)
from winter_sync.errors import StorageError
from winter_sync.events import DirectoriesNotSynced, Event, GroupNotGiven
from winter_sync.layout import OURS
from winter_sync.models import Evidence, Instrument, Marks
from winter_sync.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["OURS", "Part", "Reserve", "Session", "Tree"]

_MARKER = "mirror.json"
_FORMAT = 1
_LOCK = "lock"
_JOURNALS = "*.published"
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

    Raises
    ------
    StorageError
        From every method, when the disk cannot do its part. The message names the path.
    """

    def __init__(
        self, root: Path, *, min_free: int = 0, space: Callable[[Path], int] = space_of
    ) -> None:
        self.root = root
        self.ours = root / OURS
        self._staging = self.ours / "staging"
        self.room = Room(root, self._staging, min_free=min_free, space=space)
        self._durable: set[Path] = set()
        self._graves: dict[str, int] = {}
        self._untold: deque[Event] = deque()
        self._groups_refused: set[int] = set()

    @property
    def name(self) -> str | None:
        """The name of the mirror that lives here, from its marker; None where there is none."""
        path = self.ours / _MARKER
        with explained(path):
            try:
                marker = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _name_in(marker, path)

    def prepare(self, proposed: str) -> str:
        """Make the root ours, creating it if its parent exists; gives the mirror's name.

        The marker is what later tells an empty mirror from a file system that is not mounted.
        """
        with explained(self.root):
            _make_root(self.root)
            make_directory(self.ours)
            make_directory(self._staging)
            with self._alone():
                name = self.name or self._mark(proposed)
            if not (sync_directory(self.ours) and sync_directory(self.root)):
                self._untold.append(DirectoriesNotSynced(str(self.root)))
        return name

    def _mark(self, name: str) -> str:
        """Write the marker; it is there whole or not at all."""
        marker = self.ours / _MARKER
        temporary = marker.with_suffix(".new")
        temporary.write_text(json.dumps({"format": _FORMAT, "id": name}) + "\n")
        sync_file(temporary)
        temporary.rename(marker)
        return name

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
            with explained(directory), self._alone():
                directory.mkdir()
                stack.callback(os.close, take_lock(directory / _LOCK))
                sync_directory(self._staging)
            stack.callback(self._end, directory)
            stack.enter_context(self.room.account(directory))
            yield Session(self, directory)

    def _end(self, directory: Path) -> None:
        """Remove the directory of a session, or leave it to the next start for its evidence."""
        with explained(directory), self._alone():
            if is_directory(directory) and not any(directory.glob(_JOURNALS)):
                shutil.rmtree(directory)

    def sessions(self) -> dict[str, bool]:
        """Give all sessions, and whether the process of each lives.

        A dead one is taken charge of, until it is buried: meanwhile it lives in the eyes of
        other processes, so that no two put it in order at once.
        """
        with explained(self._staging), self._alone():
            directories = sorted(path for path in self._staging.iterdir() if path.is_dir())
            return {path.name: not self._take_charge(path) for path in directories}

    def abandoned(self) -> list[Path]:
        """Return the directories of sessions whose processes are dead, and leave them alone.

        None where this user may not look.
        """
        found = []
        with suppress(OSError), self._alone():
            for directory in sorted(path for path in self._staging.iterdir() if path.is_dir()):
                with suppress(OSError):
                    os.close(take_lock(directory / _LOCK))
                    found.append(directory)
        return found

    def _take_charge(self, directory: Path) -> bool:
        """Lock the directory of a dead session; False if its process lives."""
        if directory.name not in self._graves:
            try:
                self._graves[directory.name] = take_lock(directory / _LOCK)
            except BlockingIOError:
                return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from beginning, ending or judging sessions, in this process or another."""
        path = self.ours / "sessions.lock"
        with path.open("w") as file:
            lock(file.fileno(), path)
            yield

    def testimony(self, session: str) -> list[Evidence]:
        """Give the evidence of a dead session that still holds: the file is there, the very same.

        A file is read once to make sure; there are at most as many as a few batches have.
        """
        journals = sorted((self._staging / session).glob(_JOURNALS))
        return self.confirmed(one for path in journals for one in _read_journal(path))

    def bury(self, session: str) -> None:
        """Remove what a dead session left, once its testimony was heard."""
        directory = self._staging / session
        with explained(directory), self._alone():
            if is_directory(directory) and self._take_charge(directory):
                shutil.rmtree(directory)
            if session in self._graves:
                os.close(self._graves.pop(session))

    # --- what is there -------------------------------------------------------------------------

    def holds(self, evidence: Evidence) -> bool:
        """Tell whether the tree has what the evidence says, byte for byte.

        It does not have what cannot be read.
        """
        try:
            right_size = (self.root / evidence.path).lstat().st_size == evidence.size
        except OSError:
            return False
        return right_size and self.has(evidence.path, evidence.sha256)

    def has(self, path: str, sha256: str) -> bool:
        """Return whether a regular file is there, no link, and has this digest."""
        try:
            return digest_of_regular(self.root / path) == sha256
        except OSError:
            return False

    def confirmed(self, evidences: Iterable[Evidence]) -> list[Evidence]:
        """Give the evidence that holds, once what it speaks of is durable.

        Its `mtime_ns` is that of the file as it is now.
        """
        held = [one for one in evidences if self.holds(one)]
        for one in held:
            path = self.root / one.path
            with explained(path):
                sync_file(path)
                sync_directory(path.parent)
        return [replace(one, mtime_ns=_mtime_ns(self.root / one.path)) for one in held]

    def place(self, path: str) -> Path:
        """Give where a path of the catalog is, which never leads out of the tree."""
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path!r} leads out of the tree")
        return self.root / path

    def obstacle(self, path: str) -> StorageError | None:
        """Give what stands in the way of a file, if something does, before it is asked for.

        That is a fault of this one place, of which others can know nothing: a file where a
        directory should be or the other way round, or a link to another file system.
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
        device = self.root.stat().st_dev
        for directory in reversed(place.relative_to(self.root).parents):
            try:
                found = (self.root / directory).stat()
            except FileNotFoundError:
                if not (self.root / directory).is_symlink():
                    return
                raise _in_the_way(errno.ENOTDIR, self.root / directory) from None
            if not stat.S_ISDIR(found.st_mode):
                raise _in_the_way(errno.ENOTDIR, self.root / directory)
            if found.st_dev != device:
                raise _in_the_way(errno.EXDEV, self.root / directory)
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(place.lstat().st_mode):
                raise _in_the_way(errno.EISDIR, place)

    def make_directory(self, directory: Path) -> None:
        """Make a directory of the tree, and every name on the way to it durable.

        Also those that are there already: another thread or process may have made them and not
        synced them yet.
        """
        if directory in self._durable and directory.is_dir():
            return
        if directory != self.root:
            self.make_directory(directory.parent)
            make_directory(directory)
            sync_directory(directory.parent)
        self._durable.add(directory)

    def share(self, part: Part, directory: Path) -> None:
        """Let a part belong to the group that has the directory it goes to, if one has.

        Staged elsewhere, it did not get that by being made. Where it cannot be given it stays ours.
        """
        try:
            if share(part.path, directory):
                part.unseal()
        except OSError:
            group = directory.stat().st_gid
            if group not in self._groups_refused:
                self._groups_refused.add(group)
                self._untold.append(GroupNotGiven(str(directory), group))


class Session:
    """The staging place of one process; made by `Tree.session`."""

    def __init__(self, tree: Tree, directory: Path) -> None:
        self.tree = tree
        self.name = directory.name
        self._directory = directory
        self._numbers = count(1)

    def stage(self) -> Part:
        """Open an empty part."""
        path = self._directory / f"{next(self._numbers)}.part"
        with explained(path):
            return Part(path)

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
        with explained(target):
            self.tree.make_directory(target.parent)
            self.tree.share(part, target.parent)
            part.seal()
            if keep and os.path.lexists(target):
                evidence = replace(evidence, kept=self._keep(target, evidence.path))
            self._testify(evidence, batch)
            part.path.rename(target)
            sync_directory(target.parent)
        # Looked up under the final name: a file system may round times when it writes them.
        return replace(evidence, mtime_ns=_mtime_ns(target))

    def _keep(self, target: Path, path: str) -> str:
        """Give the older file a second name among the revisions, so that it outlives the rename."""
        place = PurePosixPath(OURS, "revisions", path)
        self.tree.make_directory(self.tree.root / place.parent)
        for number in count(1):
            kept = place.with_name(_numbered(place.name, number))
            if self._name_again(target, self.tree.root / kept):
                break
        sync_directory(self.tree.root / place.parent)
        return str(kept)

    def _name_again(self, target: Path, kept: Path) -> bool:
        """Give a file a second name, or see that it has it; False if that is another file's."""
        try:
            os.link(target, kept, follow_symlinks=False)
        except FileExistsError:
            return os.path.samestat(target.lstat(), kept.lstat())
        except OSError as refused:
            if refused.errno not in NO_HARD_LINKS:
                raise
            return self._copy(target, kept)
        return True

    def _copy(self, target: Path, kept: Path) -> bool:
        """Do with a copy what cannot be done with a link; `target` is never absent this way."""
        if os.path.lexists(kept):
            return False
        with (
            self.stage() as part,
            Reserve(self.tree, target.stat().st_size) as reserve,
            target.open("rb") as file,
        ):
            while piece := file.read(_PIECE):
                reserve.write(part, piece)
            with suppress(OSError):  # not every file system without links has modes
                shutil.copystat(target, part.path)
            part.seal()
            part.path.rename(kept)
        return True

    def _testify(self, evidence: Evidence, batch: str) -> None:
        """Write down what is about to happen, durably.

        The line begins on a new one, lest it be joined to one that a full disk cut short.
        """
        line = f"\n{json.dumps(asdict(evidence))}\n".encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self._journal(batch), flags, 0o666)
        try:
            is_new = os.fstat(descriptor).st_size == 0
            write_all(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_directory(self._directory)

    def _journal(self, batch: str) -> Path:
        return self._directory / _JOURNALS.replace("*", batch)

    def testimony(self, batch: str) -> list[Evidence]:
        """Give what a batch put into the tree so far."""
        return self.tree.confirmed(_read_journal(self._journal(batch)))

    def committed(self, batch: str) -> None:
        """Tell that the catalog holds all publications of a batch; its journal is not needed."""
        with explained(self._directory):
            self._journal(batch).unlink(missing_ok=True)


class Part:
    """A file that is still arriving.

    Its space is to be set aside before (`Reserve`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        self._sealed = False
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

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

    def close(self) -> None:
        """Close the file; safe to repeat."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what is not durable by now is not wanted
                os.close(descriptor)

    def discard(self) -> None:
        """Remove the file, if it was not published."""
        self.close()
        with explained(self.path):
            self.path.unlink(missing_ok=True)

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


def _mtime_ns(path: Path) -> int | None:
    """Return the modification time of a file; None if it is gone again by now."""
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return None


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
        fields = json.loads(marker)
        edition, name = int(fields["format"]), str(fields["id"])
    except (ValueError, KeyError, TypeError) as broken:
        raise StorageError(
            f"the marker {path} cannot be read: {broken}",
            remedy="Restore it from a backup, or remove it to begin a new mirror here.",
        ) from None
    if edition > _FORMAT:
        raise StorageError(
            f"the mirror of {path} was made by a newer winter-sync than this one",
            remedy="Use the newer one, or set another mirror.root.",
        )
    return name


def _read_journal(path: Path) -> Iterator[Evidence]:
    """Read what was journalled; a line that a crash cut short proves nothing."""
    with explained(path):
        try:
            lines = path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return
    for line in lines:
        try:
            fields = json.loads(line)
            fields["instrument"] = Instrument(fields["instrument"])
            fields["marks"] = Marks(**fields["marks"])
            yield Evidence(**fields)
        except (ValueError, TypeError, KeyError):
            continue


def _numbered(name: str, number: int) -> str:
    """Put a number before the last suffix of a file name, within what a name may have."""
    path = PurePosixPath(name)
    tail = f".{number}{path.suffix}"
    room = _LONGEST_NAME - len(tail.encode())
    return path.stem.encode()[:room].decode(errors="ignore") + tail
