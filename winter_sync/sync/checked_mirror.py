"""What every check of files needs: the catalog, the tree, and whether the tree is the mirror's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import TreeFiles
from winter_sync.sync.file_check import Examination, stat_file, stat_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from winter_sync.catalog import CatalogThread, Held
    from winter_sync.core import Time
    from winter_sync.sync.file_check import FileFinding


@dataclass(frozen=True, slots=True)
class CheckedMirror:
    """A mirror whose files are checked.

    Attributes
    ----------
    catalog, root
        The database, and the top of the tree.
    check_root
        Raises a `StorageError` if the root does not hold the mirror just now. It is called before
        any file is taken for deleted: files on an unmounted file system are not deleted.
    time
        Clocks, and how to wait.
    follow_links
        Whether directories of the tree may be links.
    """

    catalog: CatalogThread
    root: Path
    check_root: Callable[[], None]
    time: Time
    follow_links: bool = False

    def stat_each(self, products: Iterable[Held]) -> list[FileFinding]:
        """Return a finding on each file, without opening it."""
        with TreeFiles(self.root, follow_links=self.follow_links) as files:
            return [stat_file(files, held) for held in products]

    def find_changed(self, products: Iterable[Held]) -> list[FileFinding]:
        """Return the findings on files that are not as they were published, as `stat_files`."""
        return stat_files(self.root, products, follow_links=self.follow_links)

    def examine(self, held: Held, piece: bytearray) -> Examination:
        """Begin to read a file in full, in pieces that are read into a buffer."""
        return Examination(self.root, held, piece, follow_links=self.follow_links)
