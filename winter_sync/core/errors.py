"""What can go wrong, split by what to do about it.

Every error says what happened and, in `remedy`, what to do now. Neither these texts nor any other
attribute may ever hold a secret: no URL with a query string, no header, no request body.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar

from winter_sync.core.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Cause(StrEnum):
    """Why something could not be downloaded, by what to do about it; for counting."""

    TRANSIENT = "transient"
    """The server or the connection failed."""
    REFUSED = "refused"
    """A credential was not accepted."""
    BAD_ANSWER = "bad_answer"
    """The answer was not what the archive's contract says."""
    DAMAGED = "damaged"
    """What arrived was not whole, or not what it says it is."""
    STORAGE = "storage"
    """The disk or the catalog could not do its part."""
    OTHER = "other"
    """None of these, or not known."""


class ExitCode(IntEnum):
    """The exit code of the process; 1 is Python's own for an error that was not handled."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    SERVER_FAILING = 4
    INCOMPLETE = 5
    STORAGE = 6
    INTERRUPTED = 130
    """After SIGINT or SIGTERM, as shells have it for the former."""
    TERMINATED = 143
    """After SIGTERM while nothing is begun, as shells have it."""


@dataclass(frozen=True, slots=True)
class ExitMeaning:
    """What an exit code means, and how grave it is: of several the gravest is returned."""

    meaning: str
    gravity: int


EXIT_CODES: Mapping[ExitCode, ExitMeaning] = {
    ExitCode.DONE: ExitMeaning("done", 0),
    ExitCode.FAULT: ExitMeaning("an internal fault", 6),
    ExitCode.USAGE: ExitMeaning("usage or settings", 4),
    ExitCode.REFUSED: ExitMeaning("credentials refused", 3),
    ExitCode.SERVER_FAILING: ExitMeaning("server not responding or returning errors", 2),
    ExitCode.INCOMPLETE: ExitMeaning(
        "some products could not be downloaded (they will be retried), or `verify` found "
        "something wrong",
        1,
    ),
    ExitCode.STORAGE: ExitMeaning("storage", 5),
    ExitCode.INTERRUPTED: ExitMeaning("interrupted", 7),
    ExitCode.TERMINATED: ExitMeaning("interrupted before work began", 8),
}
"""Every exit code. Precedence, `--help` and the README follow from this table."""


def describe_exit_codes(separator: str = ", ") -> str:
    """Return all exit codes and their meanings, in one line."""
    return separator.join(f"{code:d} {known.meaning}" for code, known in EXIT_CODES.items())


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the exit code when several things went wrong; DONE if nothing did.

    Raises
    ------
    KeyError
        If `EXIT_CODES` does not list one of them.
    """
    return max(codes, key=lambda code: EXIT_CODES[code].gravity, default=ExitCode.DONE)


class Fault(StrEnum):
    """What kind of damage was found in a file, for the caller to weigh."""

    FOREIGN = "foreign"
    """Another format than the name says, or a name of no format we know."""
    SHORT = "short"
    """The file ends before what it announces: data or headers are missing."""
    MALFORMED = "malformed"
    """It says what the format does not allow, so nothing shows what is missing."""
    LONG = "long"
    """Something follows the end."""
    CHECKSUM = "checksum"
    """The bytes do not add up to what a checksum card says."""
    EXTENSIONS = "extensions"
    """Whole HDUs, but not as many as announced or expected."""

    @property
    def leaves_data_whole(self) -> bool:
        """Whether the structure is whole all the same, so that no data seem to be missing.

        The file then only contradicts a card, which its writer may have copied from another file,
        or something follows it. When the archive sends the very same bytes again much later, that
        is what it holds.
        """
        return self in {Fault.LONG, Fault.CHECKSUM, Fault.EXTENSIONS}


class WinterSyncError(Exception):
    """Anything we can explain to a person.

    Parameters
    ----------
    message
        What happened, in one line.
    remedy
        What the reader can do now, in one line.
    code
        The stable code of what happened; that of the kind of error if None.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.SERVER_FAILING
    cause: ClassVar[Cause] = Cause.OTHER
    """What it counts as."""
    usual_code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_FAULT
    """Its code where none is given."""

    def __init__(self, message: str, *, remedy: str = "", code: ErrorCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code or self.usual_code

    @property
    def headline(self) -> str:
        """The message with the code at the end of its first line."""
        first, line_end, rest = self.message.partition("\n")
        return f"{first} [{self.code}]{line_end}{rest}"

    def __str__(self) -> str:
        """Return the message alone; the remedy is shown apart."""
        return self.message


class UsageError(WinterSyncError):
    """The caller or the settings are wrong; nothing was begun."""

    exit_code = ExitCode.USAGE
    usual_code = ErrorCode.USE_OPTION


class CredentialsRefusedError(WinterSyncError):
    """The server does not accept a credential; trying again soon is useless."""

    exit_code = ExitCode.REFUSED
    cause = Cause.REFUSED
    usual_code = ErrorCode.LOGIN_REFUSED


class TransientError(WinterSyncError):
    """The server or the connection failed; the same request may succeed later.

    `retry_after` is the wait that the server asked for, in seconds; None if it asked for none.
    `is_overload` says whether the server may have too much to do: it says so, or does not answer
    in time.
    """

    cause = Cause.TRANSIENT
    usual_code = ErrorCode.NET_BROKEN

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: ErrorCode | None = None,
        retry_after: float | None = None,
        is_overload: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.retry_after = retry_after
        self.is_overload = is_overload


class CircuitOpenError(TransientError):
    """The server is not responding, and no request is sent for now."""

    usual_code = ErrorCode.ARCHIVE_PAUSED


class NoAnswerError(TransientError):
    """There was no answer for too long to be worth making the same request again at once."""

    usual_code = ErrorCode.NET_TIMEOUT


class MisconfiguredError(TransientError):
    """A setting, here or on the way, keeps the archive from us; it is not tried again at once."""

    usual_code = ErrorCode.NET_ADDRESS


class BadAnswerError(WinterSyncError):
    """The server answered, but not with what its contract says."""

    cause = Cause.BAD_ANSWER
    usual_code = ErrorCode.ARCHIVE_ANSWER


class RejectedQueryError(BadAnswerError):
    """The server found fault with the request itself (422); asking the same again is useless."""

    usual_code = ErrorCode.ARCHIVE_REJECTED


class DamagedError(BadAnswerError):
    """What arrived of a zip or of a product is not whole, or not what it says it is."""

    cause = Cause.DAMAGED
    usual_code = ErrorCode.FILE_DAMAGED


class DamagedFileError(DamagedError):
    """A file is not whole, or not what its name says.

    Parameters
    ----------
    message
        What happened, in one line.
    remedy
        What the reader can do now, in one line.
    filename
        The name of the file.
    fault
        What kind of damage it is.
    at
        The byte where it was found.
    size
        How many bytes the file has.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        message: str,
        *,
        remedy: str,
        filename: str,
        fault: Fault,
        at: int,
        size: int,
        code: ErrorCode | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.filename = filename
        self.fault = fault
        self.at = at
        self.size = size


class StorageError(WinterSyncError):
    """The disk or the catalog cannot take what we have.

    `errno` is the number of the system's error; None if it was another fault.
    """

    exit_code = ExitCode.STORAGE
    cause = Cause.STORAGE
    usual_code = ErrorCode.DISK_ERROR

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: ErrorCode | None = None,
        errno: int | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.errno = errno


class StalledError(WinterSyncError):
    """The daemon makes no progress any more; it has to be started again."""

    exit_code = ExitCode.FAULT
    usual_code = ErrorCode.INTERNAL_STALLED
