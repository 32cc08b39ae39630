"""Which directories are known to hold a mirror, remembered outside of them.

A mirror's own marker vanishes with its file system when that is not mounted. What is recorded here
distinguishes such an empty mount point from a directory in which a new mirror can begin.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import closing_descriptor, is_directory, open_regular, read_regular, write_all

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 1024 * 1024


def known_roots_path(environ: Mapping[str, str]) -> Path:
    """Return the file of known roots: in the service's state directory, otherwise the user's."""
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0], "roots.json")
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/"), ".local/state")
    return Path(home, "winter-sync", "roots.json")


class KnownRoots:
    """The roots that held a mirror when they were last seen.

    Kept as well as possible: where the file cannot be written, they are forgotten.

    Parameters
    ----------
    path
        The file; created when there is something to remember.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def mirror_in(self, root: Path) -> str | None:
        """Return the name of the mirror that was last seen in a root; None if none was."""
        return self._read().get(str(root))

    def remember(self, root: Path, name: str) -> None:
        """Record that a root holds a mirror."""
        if self.mirror_in(root) != name:
            self._write({**self._read(), str(root): name})

    def forget_removed(self) -> None:
        """Forget roots that are not directories any more: a mount point would be there."""
        known = self._read()
        kept = {root: name for root, name in known.items() if _may_be_there(Path(root))}
        if kept != known:
            self._write(kept)

    def _write(self, known: Mapping[str, str]) -> None:
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with closing_descriptor(open_regular(temporary, flags)) as file:
                write_all(file, f"{json.dumps(known, indent=2)}\n".encode())
            temporary.rename(self.path)

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(read_regular(self.path, _LONGEST, follow=True))
        except (OSError, ValueError, RecursionError):
            return {}
        pairs = found.items() if isinstance(found, dict) else ()
        return {root: name for root, name in pairs if isinstance(name, str)}


def _may_be_there(root: Path) -> bool:
    """Return whether a root is a directory, or may be one: a disk may fail."""
    try:
        return is_directory(root)
    except OSError:
        return True
