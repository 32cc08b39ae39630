"""Check of the files of the newest nights, for a status: what is wrong is shown, not recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.catalog import Damaged, Files, Listings
from winter_sync.sync.file_check import stat_files

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.catalog import CatalogThread, Check, Scope


async def check_newest(
    catalog: CatalogThread, root: Path, scope: Scope, files: int, *, follow_links: bool = False
) -> list[Damaged]:
    """Return what is wrong with the files of the newest nights, about this many; record nothing."""
    found: list[Check] = []
    for night in await catalog.files(Files.held_nights, scope):
        held = await catalog.files(Files.held, scope, night)
        seen = await asyncio.to_thread(stat_files, root, held, follow_links=follow_links)
        found += [file.check for file in seen if file.check.damage is not None]
        files -= len(held)
        if files <= 0:
            break
    identities = [check.held.product.identity for check in found]
    programs = await catalog.listings(Listings.programs, identities)
    return [Damaged.of(check, programs[check.held.product.identity]) for check in found]
