"""What can go wrong, split by what to do about it.

Every error says what happened and, in `remedy`, what to do now. `fields` go to the log. None of
them may ever hold a secret: no URL with a query string, no header, no request body.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection


class Cause(StrEnum):
    """Why something could not be had, by what there is to do about it; for counting."""

    TRANSIENT = "transient"
    """The server or the wire failed."""
    REFUSED = "refused"
    """A credential was not accepted."""
    BAD_ANSWER = "bad_answer"
    """The answer was not what the archive's contract says."""
    DAMAGED = "damaged"
    """What came was not whole, or not what it says it is."""
    STORAGE = "storage"
    """The disk or the catalog could not do its part."""
    OTHER = "other"
    """None of these, or nobody said."""


class ExitCode(IntEnum):
    """What the process tells its caller; 1 is Python's own for whatever nobody explained."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    UNWELL = 4
    INCOMPLETE = 5
    STORAGE = 6


_GRAVEST_FIRST = (
    ExitCode.STORAGE,
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.UNWELL,
    ExitCode.INCOMPLETE,
)


def gravest(codes: Collection[ExitCode]) -> ExitCode:
    """Choose what to tell the caller when several things went wrong; DONE if nothing did."""
    return next((code for code in _GRAVEST_FIRST if code in codes), ExitCode.DONE)


class WinterSyncError(Exception):
    """Anything we can explain to a person.

    Parameters
    ----------
    message
        What happened, in one line.
    remedy
        What the reader can do now, in one line.
    **fields
        Facts for the log, each safe to print.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNWELL
    cause: ClassVar[Cause] = Cause.OTHER
    """What it counts as."""

    def __init__(self, message: str, *, remedy: str = "", **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.fields = fields

    def __str__(self) -> str:
        """Give the message alone; the remedy is shown apart."""
        return self.message


class UsageError(WinterSyncError):
    """The caller or the settings are wrong; nothing was begun."""

    exit_code = ExitCode.USAGE


class RefusedError(WinterSyncError):
    """The server does not accept a credential; trying again soon is useless."""

    exit_code = ExitCode.REFUSED
    cause = Cause.REFUSED


class TransientError(WinterSyncError):
    """The server or the wire failed; the same request may succeed later.

    `retry_after` is the wait the server asked for, in seconds, when it did.
    """

    cause = Cause.TRANSIENT

    def __init__(
        self, message: str, *, remedy: str = "", retry_after: float | None = None, **fields: object
    ) -> None:
        super().__init__(message, remedy=remedy, **fields)
        self.retry_after = retry_after


class LeftAloneError(TransientError):
    """The server is unwell and is not asked at all for now."""


class SilentError(TransientError):
    """Nothing was answered for so long that the same request is not worth making again at once."""


class MisconfiguredError(TransientError):
    """A setting, here or on the way, keeps the archive from us; it is not tried again at once."""


class BadAnswerError(WinterSyncError):
    """The server answered, but not with what its contract says."""

    cause = Cause.BAD_ANSWER


class RejectedQueryError(BadAnswerError):
    """The server found fault with the request itself (422); asking the same again is useless."""


class DamagedError(BadAnswerError):
    """What arrived of a zip or of a product is not whole, or not what it says it is."""

    cause = Cause.DAMAGED


class StorageError(WinterSyncError):
    """The disk or the catalog cannot take what we have."""

    exit_code = ExitCode.STORAGE
    cause = Cause.STORAGE


class StalledError(WinterSyncError):
    """Nothing comes of the daemon's work any more; it has to be started again."""

    exit_code = ExitCode.FAULT
