"""The service that other programs ask for images: SIA 2.0, on a thread of its own.

An answer is sent while its images are read, some hundred at a time: however many there are, few
are in memory.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, StorageError, UsageError, WinterSyncError
from winter_sync.pages.catalog_reader import CatalogReader
from winter_sync.pages.links import SIA2, file_link
from winter_sync.vo import (
    availability,
    begin_answer,
    capabilities,
    end_answer,
    error_answer,
    may_answer,
    parse_query,
    read_images,
    tables,
)
from winter_sync.web import ByteStream, Document

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from winter_sync.catalog import Catalog, ObservationQuery
    from winter_sync.pages.context import PageContext
    from winter_sync.vo import ImageQuery
    from winter_sync.web import Answer, PageRequest

_XML = "text/xml; charset=utf-8"
_VOTABLE = "application/x-votable+xml"
_AT_A_TIME = 250
"""Images that are read in one turn of the thread."""
_MOST_READ = 100_000
"""Images that are looked at for one answer."""
_MOST_QUERIES = 8
"""That are answered at the same time."""
_LONGEST_SECONDS = 600.0


class Sia2:
    """Answers queries for images, in the order in which they come."""

    def __init__(self) -> None:
        self._reader = CatalogReader()
        self._under_way = 0

    async def close(self) -> None:
        """Close the catalog until somebody asks again."""
        await self._reader.close()

    async def answer(self, request: PageRequest, context: PageContext) -> Answer:
        """Return the answer to a request below the address of the service.

        Raises
        ------
        UsageError
            If the service is off, or there is nothing at that address.
        """
        if not context.sia2:
            raise UsageError(
                "this mirror answers no SIA2 queries",
                remedy="Write sia2 = true under [pages] in the settings, or start "
                "`winter-sync web --sia2`.",
                code=ErrorCode.PAGE_NOT_FOUND,
            )
        match request.path.removeprefix(SIA2):
            case "/capabilities":
                return Document(capabilities(f"{request.origin}{SIA2}"), _XML)
            case "/availability":
                return Document(availability(await self._trouble(context)), _XML)
            case "/tables":
                return Document(tables(), _XML)
            case "/query" | "":
                return await self._query(request, context)
        raise UsageError(
            "the SIA2 service has nothing there",
            remedy=f"Ask {SIA2}/query.",
            code=ErrorCode.PAGE_NOT_FOUND,
        )

    async def _trouble(self, context: PageContext) -> str | None:
        """Return why no query can be answered now."""
        try:
            await self._read_numbers(context, None)
        except WinterSyncError as failed:
            return failed.message
        return None

    async def _query(self, request: PageRequest, context: PageContext) -> Answer:
        try:
            query = parse_query(request.fields)
            numbers = await self._read_numbers(context, may_answer(query))
        except UsageError as wrong:
            return _refusal(wrong, HTTPStatus.BAD_REQUEST)
        except WinterSyncError as failed:
            return _refusal(failed, HTTPStatus.SERVICE_UNAVAILABLE)
        rows = self._rows(context, query, numbers, request.origin)
        return ByteStream(rows, _VOTABLE, _LONGEST_SECONDS)

    async def _read_numbers(
        self, context: PageContext, question: ObservationQuery | None
    ) -> Sequence[int]:
        """Return the row numbers of images that may answer, one more than are looked at."""
        if context.not_ready is not None:
            raise StorageError(
                f"the catalog is not open: {context.not_ready}", code=ErrorCode.PAGE_NOT_READY
            )
        if self._under_way >= _MOST_QUERIES:
            raise StorageError(
                f"{_MOST_QUERIES} queries are being answered",
                remedy="Ask again in a minute.",
                code=ErrorCode.PAGE_NOT_READY,
            )
        self._under_way += 1
        try:
            return await self._reader.read(context.root, context.state, _numbers, question)
        finally:
            self._under_way -= 1

    async def _rows(
        self, context: PageContext, query: ImageQuery, numbers: Sequence[int], origin: str
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer; a failure of the catalog ends it with the reason."""
        self._under_way += 1
        try:
            yield begin_answer()
            found = 0
            for at in range(0, min(len(numbers), _MOST_READ), _AT_A_TIME):
                read = partial(
                    read_images,
                    query=query,
                    numbers=numbers[at : at + _AT_A_TIME],
                    room=query.most - found,
                    root=context.root,
                    link=lambda path: f"{origin}{file_link(path)}",
                )
                rows = await self._reader.read(context.root, context.state, read)
                found += rows.count
                yield rows.text
                if rows.has_more:
                    yield end_answer(overflow=f"the first {found} images; there are more")
                    return
            yield end_answer(overflow=_not_read(numbers, found))
        except WinterSyncError as failed:
            yield end_answer(failure=failed.message)
        finally:
            self._under_way -= 1


def _numbers(catalog: Catalog, question: ObservationQuery | None) -> Sequence[int]:
    if question is None:
        return ()
    return catalog.observations.numbers(question, _MOST_READ + 1)


def _not_read(numbers: Sequence[int], found: int) -> str | None:
    """Return what was not looked at; None if nothing."""
    if len(numbers) <= _MOST_READ:
        return None
    return (
        f"the {found} images among the {_MOST_READ} newest that may be meant; "
        "name a part of the sky (POS) or a time (TIME) for the others"
    )


def _refusal(failed: WinterSyncError, status: HTTPStatus) -> Document:
    said = f"{failed.message}. {failed.remedy}" if failed.remedy else failed.message
    return Document(error_answer(said), _VOTABLE, status=status)
