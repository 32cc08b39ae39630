"""What the archive says of an account: whether it is accepted, and what its programs hold."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from winter_sync.core import (
    BadAnswerError,
    CredentialsRefusedError,
    ImageType,
    Instrument,
    Query,
    Subject,
    TransientError,
    escape_unprintable,
    redactor,
    show_size,
)
from winter_sync.factory import open_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from winter_sync.archive import ArchiveClient
    from winter_sync.config import Settings
    from winter_sync.core import Credentials

_PATIENCE_SECONDS = 10.0
_FIRST_LIGHT = date(2023, 6, 1)
"""Where a program has no start: before WINTER's first products."""


@asynccontextmanager
async def _named(what: str, given: str) -> AsyncIterator[None]:
    """Say of a refusal what was refused."""
    try:
        yield
    except CredentialsRefusedError as refused:
        message = f"{what}: {refused.message}. Nothing was written"
    else:
        return
    raise CredentialsRefusedError(
        message, remedy=f"Run `winter-sync init` again, and check {given} if they are given there."
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What the archive lists of a type; None if it did not answer."""

    image_type: ImageType
    rows: int | None

    @property
    def size(self) -> int:
        """About how many bytes that is, by the usual size of the type."""
        return (self.rows or 0) * self.image_type.traits.typical_size

    @property
    def said(self) -> str:
        """The type, its rows and its bytes in a line."""
        if self.rows is None:
            return f"  {self.image_type:9} not known: the archive did not answer"
        kept = "" if self.image_type.traits.is_kept else " (most are not kept by the archive)"
        return f"  {self.image_type:9} {self.rows:8d}  about {show_size(self.size)}{kept}"


async def survey(
    settings: Settings, credentials: Credentials, types: Sequence[ImageType]
) -> AsyncIterator[str]:
    """Check the account and each program, yielding what the archive lists, line by line.

    Raises
    ------
    WinterSyncError
        If the server does not answer, or the user or a program is refused.
    """
    redact = redactor(credentials)
    async with open_api(settings, credentials, patience=_PATIENCE_SECONDS) as api:
        await api.ping()
        yield f"{api.base_url} answers"
        async with _named("user and password", "WINTER_API_USER and WINTER_API_PASSWORD"):
            await api.check_user()
        yield "user and password are accepted"
        for name in credentials.keys:
            async for line in _program(api, name, types):
                yield escape_unprintable(redact(line))


async def _program(api: ArchiveClient, name: str, types: Sequence[ImageType]) -> AsyncIterator[str]:
    async with _named(f"program {name} or its key", f"--program and the key of {name}"):
        program = await api.program(name)
    title = f", {program.title}" if program.title else ""
    yield f"{name}{title}: {program.start or 'no start'} to {program.end or 'no end'}, with WINTER"
    for image_type in types:
        yield (await _held(api, name, image_type, program.start or _FIRST_LIGHT)).said


async def _held(api: ArchiveClient, name: str, image_type: ImageType, start: date) -> _Held:
    subject = Subject(name, Instrument.WINTER, image_type)
    try:
        listing = await api.query(Query(subject, start), once=True)
    except (BadAnswerError, TransientError):
        return _Held(image_type, None)
    return _Held(image_type, len(listing.rows))
