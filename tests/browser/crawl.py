"""Addresses of every page that a site has, found by its routes and its links."""

from __future__ import annotations

from http import HTTPStatus
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from pages.reading import Page

from winter_sync.pages import routes

_MOST_READ = 80
ABSENT = ("/night/20200101", "/product/none.fits")


def routes_of_pages() -> list[str]:
    """Return the addresses of all pages, or how they begin."""
    return [route for route in (*routes._WHOLE, *routes._BEGINNING) if route not in routes._OWN]


def route_of(address: str) -> str | None:
    """Return the route that an address belongs to."""
    path = urlsplit(address).path
    if path in routes._WHOLE:
        return path
    return next((begin for begin in routes._BEGINNING if path.startswith(begin)), None)


def find_pages(server: str) -> dict[str, str]:
    """Follow the links of a site from its first page; return a page of each kind.

    Files and pictures are no pages. A kind is a route with the same fields in its query and, for
    products, the same end of the name. The keys say the kinds, the values are the addresses.
    """
    waiting, seen, found = [*routes._WHOLE, "/search?q=zzzz"], set[str](), dict[str, str]()
    for _ in range(_MOST_READ):
        address = next(iter(waiting), None)
        if address is None:
            break
        waiting.remove(address)
        seen.add(address)
        if (text := read(server + address)) is None:
            continue
        found[kind_of(address)] = address
        for link in Page(text).links:
            place = link.partition("#")[0]
            is_page = route_of(place) in routes_of_pages() and place not in seen
            if is_page and kind_of(place) not in {*found, *map(kind_of, waiting)}:
                waiting.append(place)
    return found


def kind_of(address: str) -> str:
    """Return which kind of page is at an address."""
    parts = urlsplit(address)
    fields = ",".join(sorted(parse_qs(parts.query)))
    route = route_of(address) or parts.path
    name = parts.path.rpartition("/")[2]
    end = f"*{name[name.find('_stack') :] if '_stack' in name else name[name.rfind('.') :]}"
    return route + (end if route == "/product/" else "") + (f"?{fields}" if fields else "")


def read(url: str) -> str | None:
    """Return the page at an address; None if it is not one."""
    try:
        with urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server
            is_page = answer.headers["Content-Type"].startswith("text/html")
            return answer.read().decode() if is_page else None
    except HTTPError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
