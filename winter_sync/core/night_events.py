"""The events of nights: settled, changed, and their manifests not written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core.products import Night


@dataclass(frozen=True, slots=True)
class ManifestWritten:
    """A night settled, or one changed that was settled before (`again`); its manifest says how.

    `settled` is whether it is settled now; the numbers are products of the program.
    """

    program: str
    night: Night
    settled: bool
    again: bool
    downloaded: int
    listed: int
    missing: int


@dataclass(frozen=True, slots=True)
class ManifestsPaused:
    """Manifests cannot be written; retried after `wait` seconds, None: by the next run."""

    reason: str
    remedy: str
    wait: float | None
