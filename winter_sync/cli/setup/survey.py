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
    from winter_sync.core import Credentials, Program

_PATIENCE_SECONDS = 10.0
_HEAD = f"  {'':9}{'WINTER':>10}{'SPRING':>10}{'about':>12}"
_FIRST_LIGHT = date(2023, 6, 1)
"""Where a program has no start: before WINTER's first products."""


class RefusedError(CredentialsRefusedError):
    """The archive refuses the user (`program` is None) or a program."""

    def __init__(self, said: CredentialsRefusedError, program: str | None) -> None:
        what = "user name or password" if program is None else f"program {program} or its key"
        given = "WINTER_API_PASSWORD" if program is None else f"the key of {program}"
        option = "--user" if program is None else "--program"
        super().__init__(
            f"{what}: {said.message}",
            remedy=f"Nothing was written. Correct {option} or {given}.",
            code=said.code,
        )
        self.program = program


@asynccontextmanager
async def _named(program: str | None = None) -> AsyncIterator[None]:
    """Say of a refusal what was refused."""
    try:
        yield
    except CredentialsRefusedError as said:
        refused = RefusedError(said, program)
    else:
        return
    raise refused


@dataclass(frozen=True, slots=True)
class Held:
    """What the archive lists of a type of a camera; `count` is None if it did not answer."""

    instrument: Instrument
    image_type: ImageType
    start: date
    """The first date that was asked about."""
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


def volume_lines(held: Iterable[Held], answers: Answers) -> Iterator[str]:
    """Say how much a mirror of what was chosen would hold, and how much space there is for it."""
    chosen = [
        each
        for each in held
        if each.image_type in answers.image_types and each.instrument in answers.instruments
    ]
    at_least = "at least " if any(each.count is None for each in chosen) else ""
    count, size = sum(each.count or 0 for each in chosen), sum(each.size for each in chosen)
    what = f"{', '.join(answers.image_types)} of {' and '.join(answers.instruments)}"
    yield f"{what}: {at_least}{count:,} files, about {show_size(size)}"
    yield f"free for {answers.root}: {show_size(_free(answers.root))}"


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
        async with _named():
            await api.check_user()
        yield Part("user and password are accepted\n")
        programs: list[Program] = []
        for name in credentials.keys:
            async with _named(name):
                programs.append(await api.program(name))
            yield Part(f"the key of {name} is accepted\n")
        for program in programs:
            yield Part(f"\n{escape_unprintable(redact(_title(program)))}\n{_HEAD}\n")
            for image_type in types:
                async for part in _table_row(api, program, image_type):
                    yield part


def _title(program: Program) -> str:
    title = f", {program.title}" if program.title else ""
    return f"{program.name}{title}: {program.start or 'no start'} to {program.end or 'no end'}"


async def _table_row(
    api: ArchiveClient, program: Program, image_type: ImageType
) -> AsyncIterator[Part]:
    """Yield the count of each camera when it is known, and then the bytes of both."""
    yield Part(f"  {image_type:9}")
    cameras = list[Held]()
    start = program.start or _FIRST_LIGHT
    for instrument in Instrument:
        held = await _held(api, Query(Subject(program.name, instrument, image_type), start))
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
        return Held(subject.instrument, subject.image_type, query.start, None)
    listed = listing.distinct
    count = listed + max(listing.unlisted, 0)
    return Held(subject.instrument, subject.image_type, query.start, count, listed)
