"""The events of the archive's server: failures, retries and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed for a transient reason and is retried after a wait, in seconds."""

    reason: str
    wait: float
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class ServerFailing:
    """Requests fail in a row, or the server asks to wait: they pause, at first for `wait` s."""

    reason: str
    wait: float
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class ServerRecovered:
    """The server answers again, after the given number of seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionsChanged:
    """More or fewer downloads may run at once: `allowed`, of `most` by the settings.

    `reason` is the failure after which they are fewer; None if they are more.
    """

    allowed: int
    most: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class ClocksDiffer:
    """The archive's clock is so far ahead of ours, by `seconds`, that its date is not used."""

    seconds: float
