"""The archive asked the questions that a mirror is asked; what it lists, beside what is here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import product as combinations
from typing import TYPE_CHECKING

from winter_sync.api.listed import ListedImages
from winter_sync.api.product_columns import product_row
from winter_sync.core import (
    BadAnswerError,
    ImageType,
    Instrument,
    TransientError,
    area_of,
    exposure_time,
    filter_name,
    is_target,
    names_of_filter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from winter_sync.api.archive import AsyncArchive
    from winter_sync.api.products import MirrorProduct
    from winter_sync.catalog import Search
    from winter_sync.core import Cone, Rectangle, Row, Selection, WinterSyncError

NEW = "new"
"""The state of what the archive lists and the mirror does not know."""
_WIDER = timedelta(days=1)
"""How the archive counts the dates of a question is not known exactly (winter-api.md,
"Endpoints")."""


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """What the archive lists.

    Parameters
    ----------
    rows
        In the order of their exposures, each product once, whatever limit was asked for.
    failed
        Questions that the archive did not answer, in words, each with why.
    """

    rows: tuple[Row, ...]
    failed: tuple[tuple[str, WinterSyncError], ...] = ()


async def ask_archive(
    archive: AsyncArchive, search: Search, selections: Sequence[Selection], now: datetime
) -> RemoteAnswer:
    """Ask the archive for the products that answer a question; nothing is downloaded.

    Without types or instruments those are asked for that the selections of a program have; without
    nights the program's whole span.

    Raises
    ------
    WinterSyncError
        If the archive refuses, does not answer, or answers none of the questions.
    """
    found: dict[tuple[Instrument, str], Row] = {}
    failed: list[tuple[str, WinterSyncError]] = []
    answered = 0
    for program in search.programs or archive.programs:
        span = await _span(archive, program, search, now)
        for kind, instrument in _kinds(program, search, selections):
            try:
                for row in await _list(archive, program, search, (*span, kind, instrument)):
                    found.setdefault(row.product.identity, row)
                answered += 1
            except (BadAnswerError, TransientError) as refused:
                camera = ImageType(kind).for_camera(Instrument(instrument))
                if isinstance(refused, TransientError) and camera.is_in_pipeline:
                    raise
                failed.append((f"{program}, {instrument} {kind}", refused))
    if failed and not answered:
        raise failed[0][1]
    rows = (row for row in found.values() if _matches(row, search))
    return RemoteAnswer(tuple(sorted(rows, key=_order, reverse=search.newest_first)), tuple(failed))


def listed_row(row: Row, here: MirrorProduct | None) -> Mapping[str, object]:
    """Return the values of a listed product by the names of the columns of products.

    Parameters
    ----------
    row
        As the archive lists it.
    here
        What this mirror has of it.
    """
    listed = {
        "night": row.product.night.name,
        "target": row.target,
        "filter": filter_name(row.product.instrument, row.fid),
        "ra": row.ra,
        "dec": row.dec,
        "programs": row.program,
    }
    if here is not None:
        known = {name: value for name, value in listed.items() if value is not None}
        return {**product_row(here), **known}
    return {
        **listed,
        "started_at": exposure_time(row.product.filename),
        "image_type": row.product.image_type.value,
        "instrument": row.product.instrument.value,
        "savepath": row.product.savepath,
        "state": NEW,
        "size": None,
        "path": None,
    }


async def _span(
    archive: AsyncArchive, program: str, search: Search, now: datetime
) -> tuple[date | None, date | None]:
    """Return the UTC dates to ask for, a day wider on both sides than the nights."""
    first = min(search.nights, default=search.first_night)
    last = max(search.nights, default=search.last_night)
    start = None if first is None else first.day - _WIDER
    end = None if last is None else last.day + 2 * _WIDER
    if end is not None and end >= now.date():
        end = None
    return start or (await archive.program(program)).start, end


def _kinds(
    program: str, search: Search, selections: Sequence[Selection]
) -> Iterator[tuple[str, str]]:
    selected = [selection for selection in selections if selection.program == program]
    types = search.image_types or dict.fromkeys(
        kind for selection in selected for kind in selection.image_types
    )
    instruments = search.instruments or dict.fromkeys(
        instrument for selection in selected for instrument in selection.instruments
    )
    for instrument, kind in combinations(instruments, types):
        yield kind.value, instrument.value


async def _list(
    archive: AsyncArchive,
    program: str,
    search: Search,
    rest: tuple[date | None, date | None, str, str],
) -> ListedImages:
    """Return what is listed in the areas that are asked for, otherwise of the targets, or all."""
    images = ListedImages()
    for cone in search.cones:
        images += await archive.query_images_by_cone(program, cone.ra, cone.dec, cone.radius, *rest)
    if search.cones:
        return images
    for box in search.rectangles:
        edges = (box.ra_min, box.ra_max, box.dec_min, box.dec_max)
        images += await archive.query_images_by_rectangle(program, *edges, *rest)
    if search.rectangles:
        return images
    if not search.targets or any("*" in target for target in search.targets):
        return await archive.query_images_by_program(program, *rest)
    for target in search.targets:
        images += await archive.query_images_by_target_name(program, target, *rest)
    return images


def _matches(row: Row, search: Search) -> bool:
    """Return whether a listed product answers a question, by all that is listed of it."""
    night = row.product.night
    return (
        (not search.targets or is_target(row.target, search.targets))
        and _is_inside(row, search.cones)
        and _is_inside(row, search.rectangles)
        and (not search.nights or night in search.nights)
        and (search.first_night is None or night >= search.first_night)
        and (search.last_night is None or night <= search.last_night)
        and _has_filter(row, search.filters)
    )


def _is_inside(row: Row, regions: Sequence[Cone | Rectangle]) -> bool:
    if not regions:
        return True
    if row.ra is None or row.dec is None:
        return False
    return any(area_of(region).contains((row.ra, row.dec)) for region in regions)


def _has_filter(row: Row, filters: Sequence[str]) -> bool:
    if not filters:
        return True
    name = filter_name(row.product.instrument, row.fid)
    return name is not None and any(name.lower() in names_of_filter(each) for each in filters)


def _order(row: Row) -> tuple[str, str, str]:
    started = exposure_time(row.product.filename)
    return row.product.night.name, started.isoformat() if started else "", row.product.savepath
