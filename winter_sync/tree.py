"""The mirror on disk: staged parts, fsync, one rename, and what a crash left behind.

Everything of ours is under `<root>/.winter-sync/`. Parts are written there, on the file system of
the tree, so that publishing is a rename: whoever watches a night directory sees a file appear
whole (winter-api.md, "Conventions around it"). A session of work has its own directory below
`staging/`, locked as long as its process lives; a session whose lock can be taken is dead, and
what it left is evidence or rubbish.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync.errors import StorageError
from winter_sync.models import Evidence, Instrument, Marks

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = ".winter-sync"
_MARKER = "mirror.json"
_FORMAT = 1
_LOCK = "lock"
_JOURNALS = "*.published"
_DIGEST_PIECE = 1024 * 1024
_MARGIN = 64 * 1024 * 1024
"""How much is asked for at once when products turn out larger than was reserved for them."""

_REMEDIES = {
    errno.ENOSPC: "Free some space, or mirror less; everything published is safe.",
    errno.EDQUOT: "Your quota is used up: free some space, or mirror less.",
    errno.EROFS: "The file system is read-only: remount it, or set another mirror.root.",
    errno.EACCES: "Give the user who runs winter-sync write permission there.",
    errno.EPERM: "Give the user who runs winter-sync write permission there.",
}


class Tree:
    """The directory of a mirror.

    Thread-safe: downloads write and publish from several threads at once.

    Parameters
    ----------
    root
        The top of the tree.
    min_free
        Bytes that must stay free on its file system.

    Raises
    ------
    StorageError
        From every method, when the disk cannot do its part. The message names the path.
    """

    def __init__(self, root: Path, *, min_free: int = 0) -> None:
        self.root = root
        self.ours = root / OURS
        self._staging = self.ours / "staging"
        self._min_free = min_free
        self._promised = 0
        self._guard = threading.Lock()

    @property
    def name(self) -> str | None:
        """The name of the mirror that lives here, from its marker; None where there is none."""
        try:
            return str(json.loads((self.ours / _MARKER).read_text())["id"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as broken:
            raise StorageError(
                f"the marker {self.ours / _MARKER} cannot be read: {broken}",
                remedy="Restore it from a backup, or remove it to begin a new mirror here.",
            ) from None

    def prepare(self, proposed: str) -> str:
        """Make the root ours, creating it if its parent exists; gives the mirror's name.

        The marker is what later tells an empty mirror from a file system that is not mounted.
        """
        with explained(self.root):
            if self.root.exists() and not self.root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            self.root.mkdir(exist_ok=True)
            self._staging.mkdir(parents=True, exist_ok=True)
            if (name := self.name) is not None:
                return name
            marker = self.ours / _MARKER
            temporary = marker.with_suffix(".new")
            temporary.write_text(json.dumps({"format": _FORMAT, "id": proposed}) + "\n")
            _sync_file(temporary)
            temporary.rename(marker)
            _sync_directory(self.ours)
            _sync_directory(self.root)
            return proposed

    def free(self) -> int:
        """Give how many bytes may still be written: free, less the minimum and what is promised."""
        with explained(self.root):
            found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize - self._min_free - self._promised

    def promise(self, size: int) -> None:
        """Set space aside for what is about to arrive.

        Raises
        ------
        StorageError
            If there is not so much, after the minimum that must stay free.
        """
        with self._guard:
            if size > 0 and (free := self.free()) < size:
                raise StorageError(
                    f"{self.root} has no room: {size} bytes are needed and "
                    f"{max(free, 0)} are free above the minimum of {self._min_free}",
                    remedy=_REMEDIES[errno.ENOSPC],
                )
            self._promised += size

    def redeem(self, size: int) -> None:
        """Give back what was set aside: it has been written, or will not come."""
        with self._guard:
            self._promised -= size

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """Open a session of work; its directory vanishes at the end unless evidence is in it."""
        directory = self._staging / name
        with ExitStack() as stack:
            with explained(directory), self._no_other_session_begins():
                directory.mkdir()
                lock = stack.enter_context((directory / _LOCK).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            session = Session(self, directory)
            stack.callback(session.close)
            yield session

    def sessions(self) -> dict[str, bool]:
        """Give all sessions, and whether the process of each lives."""
        with explained(self._staging), self._no_other_session_begins():
            return {
                path.name: _is_locked(path / _LOCK)
                for path in sorted(self._staging.iterdir())
                if path.is_dir()
            }

    @contextmanager
    def _no_other_session_begins(self) -> Iterator[None]:
        """Keep a session that is not locked yet from being taken for dead."""
        with (self.ours / "sessions.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def testimony(self, session: str) -> list[Evidence]:
        """Give the evidence of a dead session that still holds: the file is there, the very same.

        A file is read once to make sure; there are at most as many as a few batches have.
        """
        journals = sorted((self._staging / session).glob(_JOURNALS))
        return [one for path in journals for one in _read_journal(path) if self.holds(one)]

    def holds(self, evidence: Evidence) -> bool:
        """Tell whether the tree has what the evidence says, byte for byte."""
        path = self.root / evidence.path
        with explained(path):
            right_size = path.is_file() and path.stat().st_size == evidence.size
            return right_size and digest(path) == evidence.sha256

    def bury(self, session: str) -> None:
        """Remove what a dead session left, once its testimony was heard."""
        with explained(self._staging / session):
            shutil.rmtree(self._staging / session)


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
        """Put a sealed part into the tree under its final name, durably.

        Parameters
        ----------
        part
            A part that was sealed and judged.
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
            With `kept` filled in.
        """
        target = self.tree.root / evidence.path
        with explained(target):
            _make_directories(target.parent, self.tree.root)
            if keep and target.exists():
                evidence = replace(evidence, kept=self._keep(target, evidence.path))
            self._testify(evidence, batch)
            part.path.rename(target)
            _sync_directory(target.parent)
        return evidence

    def _keep(self, target: Path, path: str) -> str:
        """Give the older file a second name among the revisions, so that it outlives the rename."""
        relative = PurePosixPath(OURS) / "revisions" / path
        kept = self.tree.root / relative
        _make_directories(kept.parent, self.tree.root)
        number = 1
        while True:
            numbered = kept.with_name(f"{kept.stem}.{number}{kept.suffix}")
            try:
                os.link(target, numbered)
            except FileExistsError:
                number += 1
                continue
            _sync_directory(kept.parent)
            return str(relative.with_name(numbered.name))

    def _testify(self, evidence: Evidence, batch: str) -> None:
        """Write down what is about to happen, durably."""
        descriptor = os.open(self._journal(batch), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            _write_all(descriptor, (json.dumps(asdict(evidence)) + "\n").encode())
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _journal(self, batch: str) -> Path:
        return (self._directory / batch).with_suffix(Path(_JOURNALS).suffix)

    def testimony(self, batch: str) -> list[Evidence]:
        """Give what a batch put into the tree so far."""
        return [one for one in _read_journal(self._journal(batch)) if self.tree.holds(one)]

    def committed(self, batch: str) -> None:
        """Tell that the catalog holds all publications of a batch; its journal is not needed."""
        with explained(self._directory):
            self._journal(batch).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the directory, or leave it to the next start if evidence is still in it."""
        with explained(self._directory):
            if not any(self._directory.glob(_JOURNALS)):
                shutil.rmtree(self._directory)


class Part:
    """A file that is still arriving.

    Its space is to be set aside before (`Reserve`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
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
        self._digest.update(data)
        with explained(self.path):
            _write_all(self._descriptor, data)
        self.size += len(data)

    def seal(self) -> None:
        """Make what was written durable."""
        with explained(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

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
    """The space set aside for one batch, growing when its products are larger than expected."""

    def __init__(self, tree: Tree, expected: int) -> None:
        self._tree = tree
        self._held = expected
        tree.promise(expected)

    def spend(self, size: int) -> None:
        """Count bytes that are being written.

        Raises
        ------
        StorageError
            If they exceed what was reserved and the file system has no more to spare.
        """
        if size > self._held:
            self._tree.promise(_MARGIN + size - self._held)
            self._held += _MARGIN + size - self._held
        self._held -= size
        self._tree.redeem(size)

    def end(self) -> None:
        """Give back what was not used."""
        self._tree.redeem(self._held)
        self._held = 0


def digest(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal, reading it in pieces."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_DIGEST_PIECE):
            found.update(piece)
    return found.hexdigest()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into a `StorageError` with a remedy."""
    try:
        yield
    except OSError as failed:
        where = failed.filename or path
        raise StorageError(
            f"{where}: {failed.strerror or failed}",
            remedy=_REMEDIES.get(
                failed.errno or 0, "Check that path; everything published is safe."
            ),
            errno=failed.errno,
        ) from failed


def _read_journal(path: Path) -> Iterator[Evidence]:
    """Read what was journalled; a last line that a crash cut short proves nothing."""
    with explained(path):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        try:
            fields = json.loads(line)
            fields["instrument"] = Instrument(fields["instrument"])
            fields["marks"] = Marks(**fields["marks"])
            yield Evidence(**fields)
        except (ValueError, TypeError, KeyError):
            continue


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _make_directories(directory: Path, root: Path) -> None:
    """Create directories down from the root, each made durable in the one above it."""
    missing: list[Path] = []
    while directory != root and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_directory(path.parent)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
