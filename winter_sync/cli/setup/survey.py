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
    free_space,
    is_directory,
    redactor,
    show_size,
    storage_errors_explained,
)
from winter_sync.factory import open_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from pathlib import Path

    from winter_sync.archive import ArchiveClient
    from winter_sync.cli.setup.answers import Answers
    from winter_sync.config import Settings
    from winter_sync.core import Credentials

_PATIENCE_SECONDS = 10.0
_HEAD = f"  {'':9}{'WINTER':>10}{'SPRING':>10}{'about':>12}"
_FIRST_LIGHT = date(2023, 6, 1)
"""Where a program has no start: before WINTER's first products."""


@asynccontextmanager
async def _named(what: str, given: str) -> AsyncIterator[None]:
    """Say of a refusal what was refused."""
    try:
        yield
    except CredentialsRefusedError as refused:
        message = f"{what}: {refused.message}. Nothing was written"
        code = refused.code
    else:
        return
    raise CredentialsRefusedError(
        message,
        remedy=f"Run `winter-sync init` again, and check {given} if they are given there.",
        code=code,
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What the archive lists of a type of a camera; `count` is None if it did not answer."""

    instrument: Instrument
    image_type: ImageType
    count: int | None
    """How many products: as many as it says it found, where it listed fewer."""
    listed: int = 0
    """How many products it listed."""

    @property
    def size(self) -> int:
        """About how many bytes that is, by the usual size of the type."""
        return (self.count or 0) * self.image_type.traits.typical_size

    @property
    def shown(self) -> str:
        """The count, in its column."""
        return f"{'?' if self.count is None else f'{self.count:,}':>10}"

    @property
    def is_cut(self) -> bool:
        """Whether the archive listed fewer than it says it found."""
        return self.count is not None and self.listed < self.count


def volume_line(held: Iterable[Held], answers: Answers) -> str:
    """Say how much a mirror of what was chosen would hold, and how much space there is for it."""
    chosen = [
        each
        for each in held
        if each.image_type in answers.image_types and each.instrument in answers.instruments
    ]
    unknown = any(each.count is None for each in chosen)
    count, size = sum(each.count or 0 for each in chosen), sum(each.size for each in chosen)
    what = f"{', '.join(answers.image_types)} of {' and '.join(answers.instruments)}"
    about = f"{'at least ' * unknown}{count:,} files, about {show_size(size)}"
    return f"{what}: {about}; {show_size(_free(answers.root))} are free for {answers.root}"


def _free(root: Path) -> int:
    place = root if is_directory(root) else root.parent
    with storage_errors_explained(place):
        return free_space(place)


@dataclass(frozen=True, slots=True)
class Part:
    """The next part of the text, and what the archive lists where that was learned."""

    text: str
    held: Held | None = None


async def survey(
    settings: Settings, credentials: Credentials, types: Sequence[ImageType]
) -> AsyncIterator[Part]:
    """Check the account and each program, yielding what the archive lists as soon as it is known.

    Raises
    ------
    WinterSyncError
        If the server does not answer, or the user or a program is refused.
    """
    redact = redactor(credentials)
    async with open_api(settings, credentials, patience=_PATIENCE_SECONDS) as api:
        await api.ping()
        yield Part(f"{api.base_url} answers\n")
        async with _named("user and password", "WINTER_API_USER and WINTER_API_PASSWORD"):
            await api.check_user()
        yield Part("user and password are accepted\n")
        for name in credentials.keys:
            async with _named(f"program {name} or its key", f"--program and the key of {name}"):
                program = await api.program(name)
            title = f", {program.title}" if program.title else ""
            dates = f"{program.start or 'no start'} to {program.end or 'no end'}"
            yield Part(f"{escape_unprintable(redact(f'{name}{title}: {dates}'))}\n{_HEAD}\n")
            for image_type in types:
                start = program.start or _FIRST_LIGHT
                async for part in _table_row(api, name, image_type, start):
                    yield part


async def _table_row(
    api: ArchiveClient, program: str, image_type: ImageType, start: date
) -> AsyncIterator[Part]:
    """Yield the count of each camera when it is known, and then the bytes of both."""
    yield Part(f"  {image_type:9}")
    cameras = list[Held]()
    for instrument in Instrument:
        held = await _held(api, Query(Subject(program, instrument, image_type), start))
        cameras.append(held)
        yield Part(held.shown, held)
    size = show_size(sum(held.size for held in cameras))
    yield Part("  ".join([f"{size:>12}", *_remarks(image_type, cameras)]) + "\n")


def _remarks(image_type: ImageType, cameras: Sequence[Held]) -> Iterator[str]:
    """Yield what the counts of a type do not say."""
    if unknown := [held.instrument for held in cameras if held.count is None]:
        yield f"no usable answer: {', '.join(unknown)}"
    if cut := [f"{held.instrument} {held.listed:,}" for held in cameras if held.is_cut]:
        yield f"listed only: {', '.join(cut)}"
    if not image_type.traits.is_kept and any(held.count for held in cameras):
        yield "most not kept by the archive"


async def _held(api: ArchiveClient, query: Query) -> Held:
    subject = query.subject
    try:
        listing = await api.query(query, once=True)
    except (BadAnswerError, TransientError):
        return Held(subject.instrument, subject.image_type, None)
    listed = listing.distinct
    count = listed + max(listing.unlisted, 0)
    return Held(subject.instrument, subject.image_type, count, listed)
