"""Which address shows which page. A page is made from the catalog, on the thread that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.pages import links
from winter_sync.pages.home import read_home
from winter_sync.pages.rendering import render

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


@dataclass(frozen=True, slots=True)
class Page:
    """A page that can be made."""

    make: Callable[[Catalog, PageContext, datetime], Shown | Redirect | FileContent]
    is_file: bool = False
    """Whether it is opened for each who asks."""


def find_page(request: PageRequest) -> Page | None:
    """Return the page of an address; None if there is none."""
    whole = _WHOLE.get(request.path)
    return None if whole is None else Page(partial(whole, request.query))


def _show_home(
    query: Mapping[str, str], catalog: Catalog, context: PageContext, now: datetime
) -> Shown:
    del query
    page = read_home(catalog, context, now)
    return Shown(render("home.html", context=context, page=page))


_WHOLE = {links.HOME: _show_home}
