"""Digests that the manifests of settled nights recorded, where the catalog no longer has them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from winter_sync.core import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core import Night

_LONGEST = 64 * 1024 * 1024
_DIGEST = 64


class RecordedSums:
    """The digests in the manifests of a mirror, read night by night. Thread-safe.

    Parameters
    ----------
    manifests
        The directory of the manifests, one directory a program in it.
    """

    def __init__(self, manifests: Path) -> None:
        self._manifests = manifests
        self._guard = threading.Lock()
        self._latest: tuple[Night, dict[str, set[str]]] | None = None

    def sha256(self, night: Night, path: str) -> set[str]:
        """Return the digests recorded of a path, relative to the root; none if it is in none."""
        with self._guard:
            if self._latest is None or self._latest[0] != night:
                self._latest = (night, self._read(night))
            return self._latest[1].get(path, set())

    def _read(self, night: Night) -> dict[str, set[str]]:
        """Read the checksums of a night; a line with escaped names is passed over."""
        found: dict[str, set[str]] = {}
        for file in sorted(self._manifests.glob(f"*/{night}.SHA256SUMS")):
            try:
                text = read_regular(file, _LONGEST).decode()
            except (OSError, ValueError):
                continue
            for line in text.splitlines():
                sha256, separator, path = line.partition("  ")
                if separator and len(sha256) == _DIGEST:
                    found.setdefault(path, set()).add(sha256)
        return found
