"""Files in a root that belong to no product: foreign ones in the tree, orphaned ones of ours."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from winter_sync.tree.tree import Tree

_AT_A_TIME = 400
_LOST_AND_FOUND = "lost+found"
"""At the top of a file system of its own; only root can list it."""


class FileWalk:
    """The files below a directory of a root, a few hundred at a time; links are not followed.

    Parameters
    ----------
    root
        The top of the tree.
    below
        Where to begin, relative to the root.
    """

    def __init__(self, root: Path, below: str = "") -> None:
        self.unreadable: list[str] = []
        """Directories, relative to the root, that could not be listed."""
        self._root = root
        self._names = self._files(below)

    def next_paths(self) -> list[str]:
        """Return the next paths, relative to the root; none when all were returned."""
        return list(islice(self._names, _AT_A_TIME))

    def _files(self, top: str) -> Iterator[str]:
        waiting = [top]  # not recursion: somebody else may nest directories without end
        while waiting:
            below: list[str] = []
            yield from self._files_in(waiting.pop(), below)
            waiting += reversed(below)

    def _files_in(self, directory: str, below: list[str]) -> Iterator[str]:
        """Yield the files of one directory, and collect the directories in it."""
        try:
            with os.scandir(self._root / directory) as entries:
                for entry in entries:
                    path = f"{directory}/{entry.name}" if directory else entry.name
                    if path in {STATE_DIR, _LOST_AND_FOUND}:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(path)
                    else:
                        yield path
        except FileNotFoundError:
            return
        except OSError:
            self.unreadable.append(directory)


def paths_of_nights(paths: Collection[str], nights: Collection[str]) -> list[str]:
    """Return the paths that lie in a directory of one of these nights; all if no night is given."""
    if not nights:
        return list(paths)
    return [
        path
        for path in paths
        if any(night in part for part in PurePosixPath(path).parts[:-1] for night in nights)
    ]


def abandoned_files(tree: Tree) -> list[str]:
    """Return the files, relative to the root, that killed processes left; none is touched."""
    return [
        str(path.relative_to(tree.root))
        for directory in tree.sessions.abandoned()
        for path in sorted(directory.iterdir())
        if path.name != "lock"
    ]
