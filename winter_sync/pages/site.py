"""The site: which address shows which page, and how each is made."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from winter_sync.catalog import Catalog
from winter_sync.core import ErrorCode, StorageError, UsageError, WinterSyncError, utc_now
from winter_sync.pages import links
from winter_sync.pages.catalog_reader import CatalogReader
from winter_sync.pages.live import LONGEST_SECONDS, Changes
from winter_sync.pages.previews import WantedPreview, answer_preview
from winter_sync.pages.rendering import render
from winter_sync.pages.routes import Redirect, Shown, find_page
from winter_sync.pages.sia2 import Sia2
from winter_sync.pages.static_files import static_file
from winter_sync.previews import Previews
from winter_sync.web import Document, EventStream, SharedAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from winter_sync.pages.context import PageContext
    from winter_sync.pages.routes import Page
    from winter_sync.previews import PreviewCounts
    from winter_sync.web import Answer, PageRequest

_KEPT = 64
"""Answers that are kept for who asks the same at the same time."""
_logger = logging.getLogger(__name__)


class MirrorSite:
    """The pages of a mirror.

    Parameters
    ----------
    context
        Returns what the pages know beside the catalog, as it is now.
    clock
        Returns the current UTC time.
    monotonic
        Returns a time in seconds that never goes back.
    sleep
        Waits for a number of seconds.
    """

    def __init__(
        self,
        context: Callable[[], PageContext],
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._context = context
        self._clock = clock
        self._monotonic = monotonic
        self._reader = CatalogReader()
        self._sia2 = Sia2()
        self._previews = Previews()
        self._answers: OrderedDict[tuple[object, ...], SharedAnswer[Answer]] = OrderedDict()
        self._changes = Changes(self._state, monotonic, sleep)

    @property
    def preview_counts(self) -> PreviewCounts:
        """How many previews were drawn, and how many bytes of them are kept."""
        return self._previews.counts

    async def answer(self, request: PageRequest) -> Answer:
        """Return the answer to a question; one about nothing that is there is a page, too."""
        try:
            return await self._answer(request)
        except UsageError as wrong:
            return self._fault(wrong, HTTPStatus.NOT_FOUND)
        except WinterSyncError as failed:
            return self._fault(failed, HTTPStatus.SERVICE_UNAVAILABLE)
        except Exception:
            _logger.exception("a page could not be made")
            said = StorageError(
                "this page could not be made",
                remedy="The log says why.",
                code=ErrorCode.PAGE_NOT_READY,
            )
            return self._fault(said, HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _answer(self, request: PageRequest) -> Answer:
        if request.path == links.LIVE:
            return self._listen()
        if (file := static_file(request.path)) is not None:
            return file
        if request.path == links.SIA2 or request.path.startswith(f"{links.SIA2}/"):
            return await self._sia2.answer(request, self._context())
        page = find_page(request)
        if page is None:
            raise UsageError("there is no page at this address", code=ErrorCode.PAGE_NOT_FOUND)
        return await (self._shared(request, page) if page.is_shared else self._make(page))

    async def close_catalog(self) -> None:
        """Close the catalog until somebody asks again: a mirror ends, or its settings change."""
        await self._reader.close()
        await self._sia2.close()
        await self._previews.close()
        self._answers.clear()

    async def end_streams(self) -> None:
        """End the answers that go on."""
        self._changes.end()

    async def close(self) -> None:
        """Stop making the answers that are under way, and close the catalog."""
        for shared in list(self._answers.values()):
            await shared.close()
        await self.close_catalog()

    # --- making pages ----------------------------------------------------------------------------

    async def _shared(self, request: PageRequest, page: Page) -> Answer:
        key = (request.path, *sorted(request.query.items()))
        shared = self._answers.get(key)
        if shared is None:
            shared = SharedAnswer(partial(self._make, page), self._monotonic)
            self._answers[key] = shared
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        return await shared()

    async def _make(self, page: Page) -> Answer:
        context = self._context()
        if context.not_ready is not None:
            raise StorageError(
                f"the catalog is not open: {context.not_ready}",
                remedy="This page shows it as soon as it is.",
                code=ErrorCode.PAGE_NOT_READY,
            )
        shown = await self._reader.read(
            context.root, context.state, page.make, context, self._clock()
        )
        match shown:
            case Shown():
                return Document(shown.body)
            case Redirect():
                return Document(b"", status=HTTPStatus.SEE_OTHER, location=shown.location)
            case WantedPreview():
                return await answer_preview(self._previews, context, shown)
        return shown

    def _fault(self, failed: WinterSyncError, status: HTTPStatus) -> Document:
        """Return a page that says what is wrong, and what to do."""
        title = "Not found" if status is HTTPStatus.NOT_FOUND else "Not available"
        page = render(
            "fault.html",
            context=self._context(),
            title=title,
            said=failed.message,
            remedy=failed.remedy,
        )
        return Document(page, status=status)

    # --- changes ---------------------------------------------------------------------------------

    def _listen(self) -> Answer:
        if not self._changes.has_room:
            said = StorageError(
                "too many pages are being told of changes", code=ErrorCode.PAGE_NOT_READY
            )
            return self._fault(said, HTTPStatus.SERVICE_UNAVAILABLE)
        return EventStream(self._changes.events(), LONGEST_SECONDS)

    async def _state(self) -> object:
        """Return what the pages depend on, but for the time."""
        context = self._context()
        if context.not_ready is not None:
            return context.not_ready
        try:
            version = await self._reader.read(context.root, context.state, Catalog.version)
        except WinterSyncError as failed:
            return failed.message
        return version, context.troubles, context.transfers
