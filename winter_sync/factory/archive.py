"""The client of the archive, as the settings want it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from winter_sync.archive import ArchiveClient, Timeouts
from winter_sync.core import (
    REAL_TIME,
    Time,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from winter_sync.config import Settings
    from winter_sync.core import Credentials, Sink


PATIENCE = 120.0
"""How many seconds a run that ends waits for a server that is not responding."""


@asynccontextmanager
async def open_api(
    settings: Settings,
    credentials: Credentials,
    emit: Sink = lambda _: None,
    *,
    patience: float = PATIENCE,
    time: Time = REAL_TIME,
) -> AsyncIterator[ArchiveClient]:
    """Open a client of the archive that the settings name."""
    api = settings.api
    async with ArchiveClient(
        settings.base_url,
        credentials,
        proxy=settings.proxy,
        interval=api.request_interval.total_seconds(),
        connections=api.connections,
        timeouts=Timeouts(
            query=api.query_timeout.total_seconds(),
            first_byte=api.first_byte_timeout.total_seconds(),
            silence=api.silence_timeout.total_seconds(),
        ),
        time=time,
        patience=patience,
        emit=emit,
    ) as opened:
        yield opened
