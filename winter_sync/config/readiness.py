"""Whether the settings have all that a mirror needs; what is missing is reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.config.credentials import collect_credentials
from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.config.settings import Settings
    from winter_sync.core import Credentials


def require_mirror(settings: Settings) -> None:
    """Make sure that the settings name a root and a program.

    Raises
    ------
    UsageError
        If they do not, with all that is missing.
    """
    _raise_together(_missing_places(settings))


def require_ready(settings: Settings) -> Credentials:
    """Make sure that the settings have all that downloads need; return the secrets.

    Raises
    ------
    UsageError
        If they do not: all that is missing, each with the line or the variable that sets it.
    """
    credentials, faults = collect_credentials(settings)
    _raise_together([*_missing_places(settings), *faults])
    return credentials


def read_credentials(settings: Settings) -> Credentials:
    """Return the secrets that the settings lead to; see `collect_credentials`.

    Raises
    ------
    UsageError
        If any are missing or their files cannot be read; all of them are named.
    """
    credentials, faults = collect_credentials(settings)
    _raise_together(faults)
    return credentials


def _raise_together(faults: list[UsageError]) -> None:
    """Raise all of these faults as one error, a line for each.

    Raises
    ------
    UsageError
        If there are any.
    """
    if len(faults) == 1:
        raise faults[0]
    if faults:
        lines = [f"{fault.message}. {fault.remedy}" for fault in faults]
        raise UsageError(
            "settings are missing or wrong:\n  " + "\n  ".join(lines),
            remedy="`winter-sync init` asks for what is needed and writes a settings file.",
            code=ErrorCode.SETTINGS_MISSING,
        )


def _missing_places(settings: Settings) -> list[UsageError]:
    needed: tuple[Callable[[], object], ...] = (
        lambda: settings.root,
        lambda: settings.selections,
    )
    return [fault for need in needed if (fault := _fault_of(need)) is not None]


def _fault_of(need: Callable[[], object]) -> UsageError | None:
    try:
        need()
    except UsageError as fault:
        return fault
    return None
