"""The archive, asked from Python: the questions of winterapi, by the same names of arguments.

`AsyncArchive` is for coroutines. `Archive` is for everybody else, also where an event loop runs
already, as in a notebook: its questions are asked on a thread of its own.
"""

# ruff: noqa: PLR0913, PLR0917 - the arguments are winterapi's, in its order

from __future__ import annotations

import asyncio
import threading
import warnings
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from winter_sync.api.listed import ListedImages
from winter_sync.api.questions import as_rectangle
from winter_sync.config import Settings, load_settings, read_credentials
from winter_sync.core import (
    Cone,
    ErrorCode,
    ImageType,
    Instrument,
    Query,
    Subject,
    Target,
    UsageError,
)
from winter_sync.factory import open_api

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Mapping

    from winter_sync.archive import ArchiveClient, Listing
    from winter_sync.core import Program, Region

P = ParamSpec("P")
T = TypeVar("T")
Word = TypeVar("Word", ImageType, Instrument)

_DEFAULT_SPAN = timedelta(days=30)
"""How far back winterapi asks when no start is given."""
_PATIENCE_SECONDS = 30.0


class IncompleteListingWarning(UserWarning):
    """The archive's answer says that it found more than it listed, or holds rows without sense."""


class AsyncArchive:
    """The archive, for coroutines; use it as an async context manager.

    Parameters
    ----------
    config
        The settings file; without one, the environment and the usual places are tried, as the
        command line does.
    user, password
        The account, where the settings should not decide.
    keys
        The API key of each program, likewise.
    base_url
        The archive's address, likewise.

    Raises
    ------
    UsageError
        If credentials are missing or the settings are wrong.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        keys: Mapping[str, str] | None = None,
        base_url: str | None = None,
    ) -> None:
        self._settings = _settings(config, user, password, keys, base_url)
        self._credentials = read_credentials(self._settings)
        self._opened = AsyncExitStack()
        self._client: ArchiveClient | None = None

    async def __aenter__(self) -> Self:
        """Open the connection; nothing is asked yet."""
        self._client = await self._opened.enter_async_context(
            open_api(self._settings, self._credentials, patience=_PATIENCE_SECONDS)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self._client = None
        await self._opened.aclose()

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs whose keys are known."""
        return tuple(self._credentials.keys)

    async def program(self, program_name: str) -> Program:
        """Return what the archive says of a program: its title and its dates.

        Raises
        ------
        CredentialsRefusedError
            If the program is not yours or its key is wrong.
        """
        return await self._ready.program(self._known(program_name))

    async def query_images_by_program(
        self,
        program_name: str,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        image_type: str = "stack",
        instrument: str = "winter",
    ) -> ListedImages:
        """Return the images of a program.

        Parameters
        ----------
        program_name
            The program.
        start_date, end_date
            UTC dates of the exposures, inclusive: a date, "20240211" or "2024-02-11". By default
            30 days ago, and the archive's today.
        image_type
            exposure, raw, science, stack, diff or avro.
        instrument
            winter or spring.

        Raises
        ------
        UsageError
            If an argument makes no sense.
        WinterSyncError
            If the archive refuses or does not answer.
        """
        return await self._ask(program_name, None, start_date, end_date, image_type, instrument)

    async def query_images_by_target_name(
        self,
        program_name: str,
        target_name: str,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        image_type: str = "stack",
        instrument: str = "winter",
    ) -> ListedImages:
        """Return the images of a target; the other arguments are `query_images_by_program`'s."""
        region = Target(target_name)
        return await self._ask(program_name, region, start_date, end_date, image_type, instrument)

    async def query_images_by_cone(
        self,
        program_name: str,
        ra_deg: float,
        dec_deg: float,
        radius_deg: float = 1.0,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        image_type: str = "stack",
        instrument: str = "winter",
    ) -> ListedImages:
        """Return the images whose listed position is in a circle, all in degrees.

        Listed positions of exposure, raw and science are the pointing, the same for all boards: a
        circle under a degree may miss boards that show its center.
        """
        region = Cone(ra_deg, dec_deg, radius_deg)
        return await self._ask(program_name, region, start_date, end_date, image_type, instrument)

    async def query_images_by_rectangle(
        self,
        program_name: str,
        ra_min_deg: float,
        ra_max_deg: float,
        dec_min_deg: float,
        dec_max_deg: float,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        image_type: str = "stack",
        instrument: str = "winter",
    ) -> ListedImages:
        """Return the images whose listed position is in a rectangle, in degrees.

        One that crosses right ascension 0 (`ra_min_deg` above `ra_max_deg`) is asked for in two
        parts, as the archive itself takes none.
        """
        rectangle = as_rectangle((ra_min_deg, ra_max_deg, dec_min_deg, dec_max_deg))
        return await self._ask(
            program_name, rectangle, start_date, end_date, image_type, instrument
        )

    async def _ask(
        self,
        program_name: str,
        region: Region | None,
        start_date: str | date | None,
        end_date: str | date | None,
        image_type: str,
        instrument: str,
    ) -> ListedImages:
        subject = Subject(
            self._known(program_name),
            _word(Instrument, instrument, "instrument"),
            _word(ImageType, image_type, "image type"),
            region,
        )
        client = self._ready
        start = _day(start_date, "start_date") or client.today - _DEFAULT_SPAN
        is_doubtful = not subject.image_type.for_camera(subject.instrument).is_in_pipeline
        query = Query(subject, start, _day(end_date, "end_date"))
        listing = await client.query(query, once=is_doubtful)
        _warn_if_incomplete(listing)
        return ListedImages(listing.rows)

    @property
    def _ready(self) -> ArchiveClient:
        if self._client is None:
            raise UsageError(
                "the archive is not open",
                remedy="Use it in `async with AsyncArchive() as archive:`.",
                code=ErrorCode.USE_OPTION,
            )
        return self._client

    def _known(self, program_name: str) -> str:
        if program_name not in self._credentials.keys:
            known = ", ".join(self.programs) or "none"
            raise UsageError(
                f"program {program_name} has no API key here; configured programs: {known}",
                remedy="Add a [[programs]] table to the settings file, or give it in `keys`.",
                code=ErrorCode.USE_PROGRAM,
            )
        return program_name


def _waiting(
    question: Callable[Concatenate[AsyncArchive, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Archive, P], T]:
    """Return a question of `AsyncArchive` as a method of `Archive`, which waits for the answer."""

    @wraps(question)
    def ask(archive: Archive, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return archive._ask(lambda asynchronous: question(asynchronous, *args, **kwargs))  # noqa: SLF001 - its own method

    return ask


class Archive:
    """The archive, for scripts and notebooks; use it as a context manager, or call `close`.

    The parameters and the questions are those of `AsyncArchive`. It works where an event loop
    already runs, and may be used by several threads.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        keys: Mapping[str, str] | None = None,
        base_url: str | None = None,
    ) -> None:
        self._archive = AsyncArchive(
            config, user=user, password=password, keys=keys, base_url=base_url
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="archive", daemon=True)
        self._thread.start()
        self._wait_for(self._archive.__aenter__())

    def close(self) -> None:
        """Close the connection; nothing can be asked afterwards."""
        if self._loop.is_closed():
            return
        self._wait_for(self._archive.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        """Return the archive itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs whose keys are known."""
        return self._archive.programs

    program = _waiting(AsyncArchive.program)
    query_images_by_program = _waiting(AsyncArchive.query_images_by_program)
    query_images_by_target_name = _waiting(AsyncArchive.query_images_by_target_name)
    query_images_by_cone = _waiting(AsyncArchive.query_images_by_cone)
    query_images_by_rectangle = _waiting(AsyncArchive.query_images_by_rectangle)

    def _ask(self, question: Callable[[AsyncArchive], Coroutine[Any, Any, T]]) -> T:
        if self._loop.is_closed():
            raise UsageError(
                "the archive was closed",
                remedy="Open another: `Archive()`.",
                code=ErrorCode.USE_OPTION,
            )
        return self._wait_for(question(self._archive))

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of work on the loop's thread; whoever is interrupted ends it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _settings(
    config: str | os.PathLike[str] | None,
    user: str | None,
    password: str | None,
    keys: Mapping[str, str] | None,
    base_url: str | None,
) -> Settings:
    given = {"user": user, "password": password, "base_url": base_url}
    api = {name: value for name, value in given.items() if value is not None}
    overrides: dict[str, Any] = {"api": api} if api else {}
    if keys is not None:
        overrides["programs"] = [
            {"name": name, "api_key": key, "image_types": ["stack"]} for name, key in keys.items()
        ]
    return load_settings(None if config is None else Path(config).expanduser(), overrides)


def _word(words: type[Word], text: str, what: str) -> Word:
    try:
        return words(text)
    except ValueError:
        known = ", ".join(words)
        raise UsageError(
            f"{text!r} is not an {what}",
            remedy=f"Choose one of {known}.",
            code=ErrorCode.USE_OPTION,
        ) from None


def _day(given: str | date | None, name: str) -> date | None:
    """Return a UTC date as people write them.

    Raises
    ------
    UsageError
        If it is not one.
    """
    if isinstance(given, datetime):
        return given.astimezone(UTC).date() if given.tzinfo else given.date()
    if given is None or isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given.strip())
    except ValueError:
        raise UsageError(
            f"{name}: {given!r} is not a date",
            remedy='Write "2024-02-11" or "20240211".',
            code=ErrorCode.USE_NIGHT,
        ) from None


def _warn_if_incomplete(listing: Listing) -> None:
    unusable = len(listing.faults) + listing.untold
    if unusable:
        first = next(iter(listing.faults), "")
        message = f"{unusable} rows of the archive's answer could not be used: {first}"
        warnings.warn(message, IncompleteListingWarning, stacklevel=4)
    if listing.is_cut:
        message = (
            f"the archive found {listing.found} images and listed {listing.distinct}: "
            "ask for fewer dates at once"
        )
        warnings.warn(message, IncompleteListingWarning, stacklevel=4)
