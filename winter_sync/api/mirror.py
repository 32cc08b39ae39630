"""A mirror on this machine, opened for asking: nothing is written, whoever writes meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from winter_sync.catalog import Catalog
from winter_sync.core import STATE_DIR, UsageError, has_name, utc_now
from winter_sync.factory import CATALOG
from winter_sync.tree import Tree, refuse_other_root

if TYPE_CHECKING:
    import os


class Mirror:
    """A mirror of the archive on this machine, opened for reading.

    Open one with `Mirror.open`; use it as a context manager, or call `close`. It may be used by the
    thread that opened it, while a daemon writes.

    Parameters
    ----------
    root
        The root of the tree.
    catalog
        The catalog of the mirror.
    """

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self.root = root
        self._catalog = catalog

    @classmethod
    def open(
        cls, root: str | os.PathLike[str], *, state: str | os.PathLike[str] | None = None
    ) -> Self:
        """Open the mirror in a directory; no settings are needed.

        Parameters
        ----------
        root
            The root of the tree (`mirror.root` of the settings).
        state
            The directory of the catalog, where `mirror.state` names another than
            `<root>/.winter-sync`.

        Raises
        ------
        UsageError
            If there is no mirror.
        StorageError
            If it cannot be read, or the catalog belongs to another root.
        """
        place = Path(root).expanduser().absolute()
        path = (Path(state).expanduser() if state else place / STATE_DIR) / CATALOG
        if not has_name(path):
            raise UsageError(
                f"there is no mirror in {place}",
                remedy="Name the directory that `mirror.root` of the settings names; run "
                "`winter-sync sync` first if nothing was mirrored yet.",
            )
        catalog = Catalog(path, utc_now, reading=True)
        try:
            name = catalog.mirror_name()
            if name is not None:
                refuse_other_root(Tree(place), name, path)
        except BaseException:
            catalog.close()
            raise
        return cls(place, catalog)

    def close(self) -> None:
        """Close the catalog."""
        self._catalog.close()

    def __enter__(self) -> Self:
        """Return the mirror itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the catalog."""
        self.close()
