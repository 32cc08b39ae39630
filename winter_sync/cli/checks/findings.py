"""The result of one check, and how a check that fails becomes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import ExitCode, WinterSyncError, storage_errors_explained

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    """The subject of the check, in a word or two."""
    message: str
    remedy: str = ""
    code: ExitCode = ExitCode.DONE
    warning: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether nothing prevents winter-sync from running."""
        return self.code is ExitCode.DONE

    @property
    def mark(self) -> str:
        """The finding in a word of at most four letters."""
        return "FAIL" if not self.is_ok else "warn" if self.warning else "ok"


def found(what: str, check: Callable[[], str]) -> Finding:
    """Run a check of this machine; what it returns is the message."""
    try:
        with storage_errors_explained(Path(what)):
            return Finding(what, check())
    except WinterSyncError as error:
        return failed(what, error)


async def asked(what: str, check: Callable[[], Awaitable[str]]) -> Finding:
    """Run a check of the archive; what it returns is the message."""
    try:
        return Finding(what, await check())
    except WinterSyncError as error:
        return failed(what, error)


def failed(what: str, error: WinterSyncError) -> Finding:
    """Return the finding of a check that failed."""
    return Finding(what, error.headline, error.remedy, error.exit_code)
