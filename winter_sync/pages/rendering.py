"""Pages drawn by templates: everything that is put into one is escaped for HTML and for the eye."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from winter_sync.core import escape_unprintable, show_size
from winter_sync.pages import links
from winter_sync.pages.pictures import has_preview, thumbnail_link
from winter_sync.pages.static_files import static_link
from winter_sync.pages.words import sexagesimal

if TYPE_CHECKING:
    from winter_sync.core import Night
    from winter_sync.pages.context import PageContext

_COMMAND = re.compile(r"`([^`]+)`")


def render(template: str, *, context: PageContext, **values: object) -> bytes:
    """Return a page as it is sent.

    Parameters
    ----------
    template
        The name of its template.
    context
        What the pages know beside the catalog.
    values
        What it shows.

    Raises
    ------
    UndefinedError
        If the template uses what is not given.
    """
    return _environment().get_template(template).render(context=context, **values).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("winter_sync.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        has_preview=has_preview,
        thumbnail_link=thumbnail_link,
        night_link=links.night_link,
        target_link=links.target_link,
        product_link=links.product_link,
        file_link=links.file_link,
        region_link=links.region_link,
        with_query=links.with_query,
        static_link=static_link,
        sexagesimal=sexagesimal,
    )
    environment.filters.update(
        size=show_size,
        utc=_utc,
        short_utc=_short_utc,
        minute=_minute,
        clock=_clock,
        evening=_evening,
        commands=_commands,
        fixed=_fixed,
        signed=_signed,
    )
    return environment


def _printable(value: object) -> object:
    """Write out what would change the order or the look of the text around it."""
    if isinstance(value, Markup):
        return value
    return escape_unprintable(str(value)) if isinstance(value, str | PurePath) else value


def _utc(at: datetime | str) -> Markup:
    """Return an instant to the second, as machines can read it, too."""
    return _time_tag(at, "%Y-%m-%d %H:%M:%S UTC")


def _short_utc(at: datetime | str) -> Markup:
    """Return an instant without its year; a column says that it is UTC."""
    return _time_tag(at, "%m-%d %H:%M:%S")


def _minute(at: datetime | str) -> Markup:
    """Return an instant to the minute; what stands beside it says that it is UTC."""
    return _time_tag(at, "%Y-%m-%d %H:%M")


def _clock(at: datetime | str) -> Markup:
    """Return the time of day of an instant; its date and that it is UTC stand elsewhere."""
    return _time_tag(at, "%H:%M:%S")


def _time_tag(at: datetime | str, form: str) -> Markup:
    instant = _instant(at)
    return Markup('<time datetime="{}">{}</time>').format(
        instant.isoformat(timespec="seconds"), f"{instant:{form}}"
    )


def _instant(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _evening(night: Night) -> str:
    """Return the date of the evening of a night, as people write it."""
    return night.day.isoformat()


def _fixed(value: float | None, digits: int = 1) -> str:
    """Return a number with so many digits after the point; a dash for unknown."""
    return "-" if value is None else f"{value:.{digits}f}"


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign and so many digits after the point."""
    return f"{value:+.{digits}f}"


def _commands(text: str) -> Markup:
    """Return a text in which what stands in backticks is set as code."""
    parts = _COMMAND.split(escape_unprintable(text))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part
        for odd, part in enumerate(parts)
    )
