"""Turns a list of products into the chunks of a zip answer, off the event loop."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import closing
from itertools import islice
from typing import IO, TYPE_CHECKING

from winter_sync.simulator.packing.zips import Member, ZipStyle, zipped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence

    from winter_sync.simulator.observatory.observatory import Entry, Observatory
    from winter_sync.simulator.packing.member_store import MemberStore
    from winter_sync.simulator.packing.zips import Packed

_BATCH_BYTES = 1024 * 1024


def members_of(
    observatory: Observatory,
    entries: Sequence[Entry],
    style: ZipStyle,
    store: MemberStore,
    archive: str,
) -> Iterator[Member]:
    """Return the members of a zip of these products; each is made when it is packed."""
    for entry in entries:
        name = style.member_name(entry.product.savepath, archive)
        yield Member(name, entry.holding.listed_at, _Packer(observatory, entry, style, store))


class _Packer:
    """Makes one product's member when called, with the revision of that moment."""

    def __init__(
        self, observatory: Observatory, entry: Entry, style: ZipStyle, store: MemberStore
    ) -> None:
        self._observatory = observatory
        self._entry = entry
        self._style = style
        self._store = store

    def __call__(self) -> Packed:
        revision = self._entry.revision
        key = self._observatory.content_key(self._entry, revision)
        return self._store.packed(key, self._style, lambda: self._make(revision))

    def _make(self, revision: int) -> bytes:
        product = self._entry.product
        return self._observatory.content(product.instrument, product.savepath, revision)


async def zip_chunks(members: Iterator[Member], style: ZipStyle) -> AsyncGenerator[bytes]:
    """Return the chunks of the zip, streamed as it is made."""
    async for chunk in _off_loop(chunked(zipped(members, style), style.chunk_size), style):
        yield chunk


async def spooled(members: Iterator[Member], style: ZipStyle) -> IO[bytes]:
    """Build the whole zip in a temporary file; the caller closes it."""
    return await asyncio.to_thread(_spool, members, style)


async def file_chunks(file: IO[bytes], style: ZipStyle) -> AsyncGenerator[bytes]:
    """Return the chunks of a file that was built before."""
    async for chunk in _off_loop(_blocks(file, style.chunk_size), style):
        yield chunk


def chunked(pieces: Iterable[bytes], size: int) -> Generator[bytes]:
    """Cut pieces of any size into chunks of exactly one size, but for the last."""
    rest = b""
    for piece in pieces:
        view = memoryview(piece)
        if rest:
            lacking = size - len(rest)
            rest += view[:lacking]
            view = view[lacking:]
            if len(rest) < size:
                continue
            yield rest
        while len(view) >= size:
            yield bytes(view[:size])
            view = view[size:]
        rest = bytes(view)
    if rest:
        yield rest


async def _off_loop(chunks: Generator[bytes], style: ZipStyle) -> AsyncGenerator[bytes]:
    """Draw the chunks in a thread, about a megabyte at a time to spare changes of thread."""
    batch = max(1, _BATCH_BYTES // style.chunk_size)
    with closing(chunks):
        while drawn := await asyncio.to_thread(lambda: list(islice(chunks, batch))):
            for chunk in drawn:
                yield chunk


def _blocks(file: IO[bytes], size: int) -> Generator[bytes]:
    while block := file.read(size):
        yield block


def _spool(members: Iterator[Member], style: ZipStyle) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        file.writelines(zipped(members, style))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
