"""Which address shows which page. A page is made from the catalog, on the thread that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from winter_sync.core import instant_of_jd
from winter_sync.pages import links
from winter_sync.pages.home import read_home
from winter_sync.pages.night import read_night_page
from winter_sync.pages.nights import parse_night, read_nights
from winter_sync.pages.pictures import has_preview, show_picture
from winter_sync.pages.previews import WantedPreview, find_preview
from winter_sync.pages.product import open_product, read_product
from winter_sync.pages.region import read_region
from winter_sync.pages.rendering import render
from winter_sync.pages.search import read_search
from winter_sync.pages.sky import read_sky
from winter_sync.pages.target import LIGHT_CURVE_RADIUS, filter_of, read_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from winter_sync.catalog import Catalog
    from winter_sync.pages.context import PageContext
    from winter_sync.web import FileContent, PageRequest


@dataclass(frozen=True, slots=True)
class Shown:
    """A page, drawn."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another address of the site to go to."""

    location: str


Made: TypeAlias = "Shown | Redirect | FileContent | WantedPreview"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page is made from.

    Parameters
    ----------
    catalog, context, now
        The catalog, what is known beside it, and the time.
    query
        The fields of the query.
    rest
        What follows the first word of the path, decoded; empty for a page without.
    """

    catalog: Catalog
    context: PageContext
    now: datetime
    query: Mapping[str, str]
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that can be made."""

    make: Callable[[Catalog, PageContext, datetime], Made]
    is_shared: bool = True
    """Whether who asks at the same time gets the same answer; otherwise each gets an own one."""


def find_page(request: PageRequest) -> Page | None:
    """Return the page of an address; None if there is none."""
    if (show := _WHOLE.get(request.path)) is not None:
        return Page(partial(_make, show, request.query, ""))
    for begin, show in _BEGINNING.items():
        if request.path.startswith(begin):
            rest = request.path.removeprefix(begin)
            return Page(partial(_make, show, request.query, rest), begin not in _OWN)
    return None


def _make(  # noqa: PLR0913, PLR0917 - the first three are bound
    show: Callable[[Asked], Made],
    query: Mapping[str, str],
    rest: str,
    catalog: Catalog,
    context: PageContext,
    now: datetime,
) -> Made:
    return show(Asked(catalog, context, now, query, rest))


def _show_home(asked: Asked) -> Shown:
    page = read_home(asked.catalog, asked.context, asked.now)
    return Shown(render("home.html", context=asked.context, page=page))


def _show_nights(asked: Asked) -> Shown:
    page = read_nights(asked.catalog, asked.context, asked.query)
    return Shown(render("nights.html", context=asked.context, page=page))


def _show_night(asked: Asked) -> Shown:
    night = parse_night(asked.rest)
    page = read_night_page(asked.catalog, asked.context, night, asked.query, asked.now)
    return Shown(render("night.html", context=asked.context, page=page))


def _show_target(asked: Asked) -> Shown:
    page = read_target(asked.catalog, asked.query)
    return Shown(
        render(
            "target.html",
            context=asked.context,
            page=page,
            radius=LIGHT_CURVE_RADIUS,
            filter_of=filter_of,
            instant_of_jd=instant_of_jd,
        )
    )


def _show_product(asked: Asked) -> Shown:
    page = read_product(asked.catalog, asked.rest)
    is_pictured = asked.context.previews > 0 and has_preview(page.found)
    picture = show_picture(page.found, asked.query) if is_pictured else None
    return Shown(render("product.html", context=asked.context, page=page, picture=picture))


def _find_preview(place: str, asked: Asked) -> WantedPreview:
    return find_preview(asked.catalog, asked.context, place, asked.rest, asked.query)


def _show_sky(asked: Asked) -> Shown:
    if links.is_region(asked.query):
        region = read_region(asked.catalog, asked.query)
        return Shown(render("region.html", context=asked.context, page=region))
    page = read_sky(asked.catalog, asked.query, asked.now)
    return Shown(render("sky.html", context=asked.context, page=page))


def _send_file(asked: Asked) -> FileContent:
    return open_product(asked.catalog, asked.context, asked.rest)


def _search(asked: Asked) -> Shown | Redirect:
    found = read_search(asked.catalog, asked.query)
    if isinstance(found, str):
        return Redirect(found)
    return Shown(render("search.html", context=asked.context, page=found))


_PREVIEWS = (links.THUMBNAIL, links.PREVIEW, links.PLACES)
_WHOLE: dict[str, Callable[[Asked], Made]] = {
    links.HOME: _show_home,
    links.NIGHTS: _show_nights,
    links.SKY: _show_sky,
    links.TARGET: _show_target,
    links.SEARCH: _search,
}
_BEGINNING: dict[str, Callable[[Asked], Made]] = {
    links.NIGHT: _show_night,
    links.PRODUCT: _show_product,
    links.FILE: _send_file,
    **{place: partial(_find_preview, place) for place in _PREVIEWS},
}
_OWN = {links.FILE, *_PREVIEWS}
"""What is opened for each who asks, or shared by those who draw it."""
