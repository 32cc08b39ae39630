"""The events of downloads: their bytes, and the products that they bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core.errors import Cause

if TYPE_CHECKING:
    from winter_sync.core.downloads import Batch, Outcome
    from winter_sync.core.shares import Share


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many products are wanted and not being fetched; emitted when a run begins and ends.

    A later one replaces the one before: others may have fetched some meanwhile.
    `shares` give the same by night and type.
    """

    wanted: int
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A download was requested."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a batch arrived, counted as transferred."""

    batch: Batch
    size: int


@dataclass(frozen=True, slots=True)
class ProductFinished:
    """A product is done with in this attempt; `outcome` says how."""

    outcome: Outcome


INTERRUPTED = "interrupted"
"""The trouble of a batch that we interrupted ourselves."""


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A download ended; `trouble` says what broke it, if anything did, and `cause` its kind."""

    batch: Batch
    seconds: float
    trouble: str | None = None
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class FoundUnchanged:
    """Products with new marks that need not be fetched: a sample of their night was the same."""

    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class DownloadsPaused:
    """One download after the other brought nothing: none is requested for `wait` seconds."""

    reason: str
    wait: float
