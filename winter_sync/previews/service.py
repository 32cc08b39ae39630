"""Previews for who asks: kept ones at once, others drawn one after another in a process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.core import run_in_thread
from winter_sync.previews.cache import open_cache
from winter_sync.previews.process import PATIENCE, DrawingProcess
from winter_sync.previews.requests import Asked, Drawn, Kind, PreviewCounts, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.previews.cache import PreviewCache
    from winter_sync.previews.requests import PreviewFile

_MOST_WAITING = 128
"""Pictures that wait to be drawn. A page shows about a hundred images."""
_LONGEST_WAIT = 40.0
"""Seconds after which who waits is told to ask again; the picture is drawn all the same."""
_MOST_REFUSALS = 1000
"""Files without a preview that are remembered."""
_REMEMBERED_SECONDS = 600.0
"""For how long: a machine with too much to do may draw later what takes too long now."""


class NoPreviewError(Exception):
    """There is no preview; the message says why."""


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """Where previews are kept, and how many.

    Parameters
    ----------
    state
        The directory of the catalog.
    most
        Bytes that they take at most; 0 for no previews.
    min_free
        Bytes that stay free on the disk of the state.
    """

    state: Path
    most: int
    min_free: int


class Previews:
    """Draws previews, at most one at a time, and keeps them.

    Parameters
    ----------
    patience
        Seconds that drawing one may take.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._process = DrawingProcess(patience)
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "previews")
        self._cache: PreviewCache | None = None
        self._settings: PreviewSettings | None = None
        self._drawing: dict[str, asyncio.Task[Drawn]] = {}
        self._waiting: dict[str, int] = {}
        self._refused: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._made = 0
        self._failed = 0

    @property
    def counts(self) -> PreviewCounts:
        """How many were drawn, and how much is kept."""
        kept = self._cache.size if self._cache else 0
        return PreviewCounts(self._made, self._failed, kept)

    async def thumbnail(
        self, settings: PreviewSettings, file: PreviewFile, extension: int | None
    ) -> bytes:
        """Return a small picture of a file or of one of its HDUs, a JPEG.

        Raises
        ------
        NoPreviewError
            If there is none.
        """
        return (await self._find(settings, Asked(file, Kind.THUMBNAIL, extension))).picture

    async def view(
        self, settings: PreviewSettings, file: PreviewFile, extension: int | None
    ) -> bytes:
        """Return a large picture of a file or of one of its HDUs, a JPEG; raise as `thumbnail`."""
        return (await self._find(settings, Asked(file, Kind.VIEW, extension))).picture

    async def places(
        self, settings: PreviewSettings, file: PreviewFile, extension: int | None
    ) -> bytes:
        """Return where the pixels of that picture are, as JSON; raise as `thumbnail`."""
        return (await self._find(settings, Asked(file, Kind.VIEW, extension))).places

    async def close(self) -> None:
        """End what is under way; the next question begins anew."""
        for task in list(self._drawing.values()):
            task.cancel()
        if self._drawing:
            await asyncio.wait(list(self._drawing.values()))
        async with self._one_at_a_time:
            await self._process.close()
            await run_in_thread(self._thread, self._close_cache)

    async def _find(self, settings: PreviewSettings, asked: Asked) -> Drawn:
        if settings.most <= 0:
            raise NoPreviewError("previews are turned off")
        until, reason = self._refused.get(asked.name, (0.0, ""))
        if asyncio.get_running_loop().time() < until:
            raise NoPreviewError(reason)
        kept = await run_in_thread(self._thread, self._kept, settings, asked)
        return kept if kept is not None else await self._wait_for(asked)

    async def _wait_for(self, asked: Asked) -> Drawn:
        """Wait until a picture is drawn, together with all who wait for it."""
        name = asked.name
        task = self._drawing.get(name)
        if task is None:
            if len(self._drawing) >= _MOST_WAITING:
                raise NoPreviewError("too many are being drawn; try again")
            task = self._drawing[name] = asyncio.create_task(self._draw(asked))
            task.add_done_callback(partial(self._end_drawing, name))
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                return await asyncio.shield(task)
        except TimeoutError:
            raise NoPreviewError("it is being drawn; try again") from None
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]

    def _end_drawing(self, name: str, task: asyncio.Task[Drawn]) -> None:
        del self._drawing[name]
        if not task.cancelled():
            task.exception()  # nobody may be left who wants to know

    async def _draw(self, asked: Asked) -> Drawn:
        async with self._one_at_a_time:
            if asked.name not in self._waiting:
                raise NoPreviewError("nobody waits for it any more")
            answer = await self._process.draw(asked)
            if isinstance(answer, Refused):
                self._failed += 1
                if answer.is_lasting:
                    self._remember(asked.name, answer.reason)
                raise NoPreviewError(answer.reason)
            self._made += 1
            await run_in_thread(self._thread, self._keep, asked, answer)
            return answer

    def _remember(self, name: str, reason: str) -> None:
        until = asyncio.get_running_loop().time() + _REMEMBERED_SECONDS
        self._refused[name] = until, reason
        if len(self._refused) > _MOST_REFUSALS:
            self._refused.popitem(last=False)

    # --- on the thread ---------------------------------------------------------------------------

    def _kept(self, settings: PreviewSettings, asked: Asked) -> Drawn | None:
        if self._settings != settings or self._cache is None:
            self._close_cache()
            self._cache = open_cache(settings.state, settings.most, settings.min_free)
            self._settings = settings
        picture = self._cache.get(f"{asked.name}.jpg")
        if picture is None or asked.kind is Kind.THUMBNAIL:
            return None if picture is None else Drawn(picture, b"{}")
        places = self._cache.get(f"{asked.name}.json")
        return None if places is None else Drawn(picture, places)

    def _keep(self, asked: Asked, drawn: Drawn) -> None:
        if self._cache is not None:
            self._cache.put(f"{asked.name}.jpg", drawn.picture)
            if asked.kind is Kind.VIEW:
                self._cache.put(f"{asked.name}.json", drawn.places)

    def _close_cache(self) -> None:
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()
