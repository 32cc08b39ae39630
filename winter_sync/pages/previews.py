"""Previews that are asked for: found by the catalog, or the sign that there is none."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.pages import links
from winter_sync.pages.pictures import VERSION, extension_asked, version_of
from winter_sync.pages.product import find_file
from winter_sync.pages.rendering import render
from winter_sync.previews import NoPreviewError, PreviewFile, PreviewSettings
from winter_sync.web import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.catalog import Catalog
    from winter_sync.pages.context import PageContext
    from winter_sync.previews import Previews

_KEEP_SECONDS = 7 * 24 * 3600
"""For so long, because the address of a picture changes with the file."""
_LETTERS = 30
"""Of a line of the sign that there is no preview."""
_LINES = 4
_RESERVE = 10 * 1024**3
"""Bytes left free on the disk where no settings say how many: as much as the settings would."""


@dataclass(frozen=True, slots=True)
class WantedPreview:
    """A preview that was asked for.

    Parameters
    ----------
    file
        The file; None if it is not here.
    place
        Which of the three addresses: a thumbnail, a large picture, or where its pixels are.
    extension
        The HDU that is wanted alone.
    keep_seconds
        How long a browser may keep it.
    """

    file: PreviewFile | None
    place: str
    extension: int | None
    keep_seconds: int


def find_preview(
    catalog: Catalog, context: PageContext, place: str, path: str, query: Mapping[str, str]
) -> WantedPreview:
    """Return the preview that is asked for: of a product in the catalog, by the path there.

    Raises
    ------
    UsageError
        If there is no such product.
    StorageError
        If the catalog cannot be read.
    """
    found, held = find_file(catalog, path)
    if held is None:
        return WantedPreview(None, place, None, 0)
    file = PreviewFile(
        str(context.root), held.path, context.follow_links, held.size, held.sha256, held.mtime_ns
    )
    is_current = query.get(VERSION) == version_of(found)
    return WantedPreview(file, place, extension_asked(query), _KEEP_SECONDS if is_current else 0)


async def answer_preview(
    previews: Previews, context: PageContext, wanted: WantedPreview
) -> Document:
    """Return a preview, or the sign that there is none, and why."""
    if wanted.file is None:
        return no_preview(wanted.place, "the file is not here", context)
    settings = PreviewSettings(
        context.state,
        context.previews,
        _RESERVE if context.min_free is None else context.min_free,
    )
    draw = {
        links.THUMBNAIL: previews.thumbnail,
        links.PREVIEW: previews.view,
        links.PLACES: previews.places,
    }[wanted.place]
    try:
        body = await draw(settings, wanted.file, wanted.extension)
    except NoPreviewError as none:
        return no_preview(wanted.place, str(none), context)
    kind = "application/json" if wanted.place == links.PLACES else "image/jpeg"
    return Document(body, kind, keep_seconds=wanted.keep_seconds)


def no_preview(place: str, reason: str, context: PageContext) -> Document:
    """Return the sign that there is no preview, and why."""
    if place == links.PLACES:
        return Document(json.dumps({"reason": reason}).encode(), "application/json")
    lines = textwrap.wrap(reason, _LETTERS, max_lines=_LINES, placeholder=" ...")
    width, height = (160, 120) if place == links.THUMBNAIL else (480, 360)
    drawn = render("no_preview.svg", context=context, lines=lines, width=width, height=height)
    return Document(drawn, "image/svg+xml")
