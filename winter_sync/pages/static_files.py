"""The style sheet, the script and the sign of the pages: read once, and served by their names."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from winter_sync.pages.links import STATIC
from winter_sync.web import Document

_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "places.js": "text/javascript; charset=utf-8",
    "viewer.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_KEEP_SECONDS = 7 * 24 * 3600
"""For so long, because the address of a file changes with its content."""


def static_file(path: str) -> Document | None:
    """Return a file by the path of its address; None if there is none of that name."""
    name = path.removeprefix(STATIC)
    kind = _TYPES.get(name) if path != name else None
    return None if kind is None else Document(_content(name), kind, keep_seconds=_KEEP_SECONDS)


@cache
def static_link(name: str) -> str:
    """Return the address of a file; another one when its content is another."""
    return f"{STATIC}{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


@cache
def _content(name: str) -> bytes:
    return files("winter_sync.pages").joinpath("static", name).read_bytes()
