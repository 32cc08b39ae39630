"""A mirror: opened, put together, and closed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from winter_sync.catalog import (
    EventSinks,
)
from winter_sync.config import read_credentials
from winter_sync.core import (
    REAL_TIME,
    Time,
    fan_out,
)
from winter_sync.delivery import (
    StateRecorder,
)
from winter_sync.factory.archive import PATIENCE, open_api
from winter_sync.factory.catalogs import open_catalog
from winter_sync.factory.parts import Parts, checked_mirror
from winter_sync.tree import (
    Tree,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from winter_sync.config import Settings
    from winter_sync.core import Credentials, Selection, Sink
    from winter_sync.sync import (
        Mirror,
    )


@asynccontextmanager
async def open_mirror(  # noqa: PLR0913 - all by name
    settings: Settings,
    emit: Sink,
    *,
    selections: Sequence[Selection] | None = None,
    credentials: Credentials | None = None,
    patience: float = PATIENCE,
    time: Time = REAL_TIME,
    new_root: bool = False,
    accept_withdrawals: bool = False,
) -> AsyncIterator[Mirror]:
    """Open the mirror that the settings describe, and close all of it at the end.

    Parameters
    ----------
    settings
        Checked settings.
    emit
        Receives events.
    selections
        What to mirror, if not everything that the settings name.
    credentials
        The secrets, where they were found before.
    patience
        How many seconds a request may be held while the server is not responding.
    time
        Clocks, how to wait, and chance.
    new_root
        Start afresh in a root that lost its mirror because somebody emptied it on purpose.
    accept_withdrawals
        Poll the whole span of everything, and believe all that is withdrawn, however much it is.

    Raises
    ------
    UsageError
        If a secret is missing or there is nothing to mirror.
    StorageError
        If the root or the catalog cannot be used, or they are not each other's.
    """
    secrets = credentials or read_credentials(settings)
    chosen = settings.selections if selections is None else tuple(selections)
    tree = Tree(
        settings.root,
        min_free=settings.mirror.min_free,
        follow_links=settings.mirror.follow_links,
    )
    recorder = StateRecorder()
    emit_all = fan_out(emit, recorder.handle)
    async with (
        open_catalog(settings, tree, time.clock, new_root=new_root) as catalog,
        recorder.recording(catalog, settings.root, settings.mirror.min_free, emit_all),
        open_api(
            settings,
            secrets,
            emit_all,
            patience=patience,
            time=time,
        ) as api,
    ):
        with (
            tree.session(uuid.uuid4().hex) as session,
            ThreadPoolExecutor(settings.api.connections, "intake") as threads,
            ThreadPoolExecutor(1, "comparison") as listings,
        ):
            for noticed in tree.take_events():
                emit(noticed)
            checked = await checked_mirror(settings, catalog, time)
            await catalog.sinks(EventSinks.register, tuple(settings.sink_filters))
            parts = Parts(
                *(settings, api, catalog, session, checked, threads, listings, emit_all),
                accept_withdrawals=accept_withdrawals,
            )
            yield parts.mirror(chosen, time)
