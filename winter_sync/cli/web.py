"""The pages of a mirror without a daemon: served until they are stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.cli.process import prepare, say, set_up_logging
from winter_sync.config import read_page_token
from winter_sync.core import CATALOG, STATE_DIR, ErrorCode, UsageError, has_name
from winter_sync.pages import MirrorSite, PageContext
from winter_sync.web import Access, Sources, serving

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from winter_sync.cli.options import CommonOptions
    from winter_sync.config import Settings


async def serve_pages(
    options: CommonOptions,
    *,
    listen: str,
    root: Path | None,
    token_file: Path | None,
    sia2: bool = False,
) -> None:
    """Serve the pages of a mirror until SIGINT or SIGTERM; say where.

    Raises
    ------
    UsageError
        If there is no mirror, or its pages cannot be served there.
    StorageError
        If its catalog cannot be read.
    """
    context, access, hosts = _from_settings(options) if root is None else _of_root(options, root)
    if token_file is not None:
        access = Access(read_page_token(token_file))
    if sia2:
        context = replace(context, sia2=True)
    _refuse_absent(context)
    site = MirrorSite(lambda: context)
    sources = Sources(health=tuple, readiness=tuple, site=site)
    async with serving(listen, sources, hosts=lambda: hosts, access=lambda: access) as address:
        say(f"Pages of {context.root}: http://{address}/ (Ctrl-C stops)")
        if context.sia2:
            say(f"Images for pyvo and TOPCAT (SIA 2.0): http://{address}/sia2")
        sys.stdout.flush()
        await _told_to_stop()


async def _told_to_stop() -> None:
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def _of_root(options: CommonOptions, root: Path) -> tuple[PageContext, Access, Collection[str]]:
    """Return what is known of a mirror without any settings."""
    set_up_logging(options.log_level or "warning", options.log_format)
    place = root.expanduser().absolute()
    return PageContext(place, place / STATE_DIR), Access(read_page_token(None)), ()


def _from_settings(options: CommonOptions) -> tuple[PageContext, Access, Collection[str]]:
    settings, _ = prepare(options, secrets=False)
    http = settings.http
    access = Access(read_page_token(http.token_file), http.trusted_proxy)
    return _context_of(settings), access, http.hosts


def _context_of(settings: Settings) -> PageContext:
    return PageContext(
        root=settings.root,
        state=settings.state,
        follow_links=settings.mirror.follow_links,
        selections=tuple(settings.selections),
        sinks=settings.sink_filters,
        previews=int(settings.pages.previews),
        sia2=settings.pages.sia2,
        min_free=int(settings.mirror.min_free),
    )


def _refuse_absent(context: PageContext) -> None:
    if not has_name(context.state / CATALOG):
        raise UsageError(
            f"there is no mirror in {context.root}",
            remedy="Name another directory with --root, or run `winter-sync sync` first.",
            code=ErrorCode.MIRROR_NONE,
        )
