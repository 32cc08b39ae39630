"""Files that a person has: plain ones, and the members of zips that winterapi left."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import (
    DamagedError,
    ErrorCode,
    closing_descriptor,
    has_name,
    open_regular,
    sha256_of_descriptor,
)
from winter_sync.formats import MemberEnd, MemberStart, ZipReader
from winter_sync.tree import FileWalk, Part, Reservation, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ZIP = ".zip"
_PIECE = 1024 * 1024
_LONGEST_DIRECTORY = 16 * 1024 * 1024
"""Bytes of the central directory of a zip: some hundred thousand members."""


class FileSource:
    """A plain file.

    Parameters
    ----------
    directory, path
        Where the files are, and the path below it.
    """

    def __init__(self, directory: Path, path: str) -> None:
        self.name = str(directory / path)
        self.folders = Path(self.name).parts[:-1]
        self.filename = PurePosixPath(path).name
        self._path = directory / path
        self._staged: os.stat_result | None = None

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open it for reading; a link to a file counts as the file."""
        with closing_descriptor(open_regular(self._path, follow=True)) as descriptor:
            yield descriptor

    def sha256(self) -> str:
        """Return its digest."""
        with self.opened() as file:
            return sha256_of_descriptor(file)

    def refuse_larger(self, size: int) -> None:
        """Raise DamagedError if it has more bytes than this; OSError if it cannot be opened."""
        with self.opened() as file:
            found = os.fstat(file).st_size
        if found > size:
            raise DamagedError(
                f"it has {found} bytes, more than any such product", code=ErrorCode.FILE_DAMAGED
            )

    def stage(self, session: Session, *, move: bool) -> Part:
        """Stage a copy; where it may be moved, a second name instead if the file system can.

        Raises
        ------
        StorageError
            If there is no space for a copy.
        OSError
            If it cannot be read, or somebody writes to it meanwhile.
        """
        with self.opened() as file:
            self._staged = os.fstat(file)
        if move and not self._path.is_symlink():
            part = session.stage_link(self._path)
            if part is not None:
                return part
        part = session.stage()
        try:
            self._copy_into(part, session)
        except BaseException:
            part.discard()
            raise
        return part

    def _copy_into(self, part: Part, session: Session) -> None:
        with self.opened() as file:
            self._staged = before = os.fstat(file)
            with Reservation(session.tree.space, before.st_size) as reservation:
                while piece := os.read(file, _PIECE):
                    reservation.write(part, piece)
            after = os.fstat(file)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError("somebody is writing to it")

    def remove(self) -> None:
        """Remove it, because it was moved; a link stays, and what took its name meanwhile."""
        with suppress(FileNotFoundError):
            if self._staged is not None and _is_same(self._path.lstat(), self._staged):
                self._path.unlink()

    def remove_second_name(self, place: Path) -> None:
        """Remove it if it is only a second name of the file at this place, which keeps the first.

        A move that was killed leaves both.
        """
        if not has_name(place):
            return
        ours, theirs = self._path.lstat(), place.lstat()
        is_one_file = (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
        # Seen by another path, the directory of the place has that very name, and no second one.
        if is_one_file and not self._path.parent.samefile(place.parent):
            self._path.unlink()


def _is_same(found: os.stat_result, staged: os.stat_result) -> bool:
    """Return whether two looks at a file saw the same, unchanged; its links may differ."""
    return os.path.samestat(found, staged) and (found.st_size, found.st_mtime_ns) == (
        staged.st_size,
        staged.st_mtime_ns,
    )


class _DirectoryReader(io.BufferedReader):
    """A file whose central directory is read as a zip's, which is read at once and whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, and no more than any directory of ours has."""
        if size is None or size > _LONGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has {size} bytes")
        return super().read(size)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a zip, staged; `fault` says why it is not whole."""

    name: str
    part: Part
    fault: str | None


class ZipSource:
    """A zip, read as a download is: bytes in order, every member checked.

    Parameters
    ----------
    directory, path
        Where the files are, and the path below it.
    """

    def __init__(self, directory: Path, path: str) -> None:
        self.name = str(directory / path)
        self.folders = Path(self.name).parts[:-1]
        self._path = directory / path

    def names(self) -> list[str]:
        """Return the names of its members.

        Raises
        ------
        DamagedError
            If it is no zip, or its directory is damaged.
        OSError
            If it cannot be read.
        """
        try:
            with (
                closing_descriptor(open_regular(self._path, follow=True)) as descriptor,
                _DirectoryReader(io.FileIO(descriptor, closefd=False)) as file,
                zipfile.ZipFile(file) as archive,
            ):
                return [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as bad:
            raise DamagedError(
                f"it cannot be read as a zip: {bad}", code=ErrorCode.FILE_ZIP
            ) from bad

    def members(self, session: Session, largest: Mapping[str, int]) -> Iterator[Member]:
        """Yield each wanted member, staged; whoever takes it discards its part.

        `largest` has the names that are wanted, and how many bytes each may have.

        Raises
        ------
        DamagedError
            If it cannot be followed any further.
        StorageError
            If there is no space for a member.
        OSError
            If it cannot be read.
        """
        unzipper = ZipReader()
        current: Part | None = None
        with (
            closing_descriptor(open_regular(self._path, follow=True)) as file,
            Reservation(session.tree.space, 0) as reservation,
        ):
            try:
                while block := os.read(file, _PIECE):
                    for output in unzipper.feed(block):
                        match output:
                            case MemberStart(name) if name in largest:
                                unzipper.limit_member(largest[name])
                                current = session.stage()
                            case MemberStart():
                                unzipper.skip_member()
                            case MemberEnd(name, _, fault):
                                part, current = current, None
                                if part is not None:
                                    yield Member(name, part, fault)
                            case data if current is not None:
                                reservation.write(current, data)
            finally:
                if current is not None:
                    current.discard()
        if not unzipper.complete:
            raise DamagedError("the zip ends early", code=ErrorCode.FILE_ZIP)


def count_files(directory: Path) -> tuple[int, int]:
    """Count the files below a directory, and their bytes."""
    walk = FileWalk(directory)
    files = size = 0
    while paths := walk.next_paths():
        files += len(paths)
        for path in paths:
            try:
                size += (directory / path).lstat().st_size
            except OSError:
                continue
    return files, size
