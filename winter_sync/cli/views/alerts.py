"""Alerts and light curves on a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.views.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console

    from winter_sync.api import MirrorAlert

_UNKNOWN = "-"
_MINUTES, _SECONDS = 16, 19
"""How much of an ISO time is shown."""


def draw_alerts(console: Console, found: Sequence[MirrorAlert]) -> None:
    """Draw a line for each alert, with its separation where a cone was asked for."""
    cone = found[0].separation is not None
    headings = ["UTC", "object", "RA", "Dec", "filter", "mag", "err", "rb"]
    rows = [_alert_cells(alert, cone=cone) for alert in found]
    _draw(console, [[*headings, *(["sep"] if cone else [])], *rows])
    console.print(Text(_count(found) + ("; sep is in arcseconds" if cone else "")))


def _alert_cells(alert: MirrorAlert, *, cone: bool) -> list[str]:
    cells = [
        _time(alert.time, _MINUTES),
        alert.objectid or _UNKNOWN,
        _number(alert.ra, ".5f"),
        _number(alert.dec, "+.5f"),
        alert.filter or _UNKNOWN,
        _number(alert.magpsf, ".2f"),
        _number(alert.sigmapsf, ".2f"),
        _number(alert.rb, ".2f"),
    ]
    return [*cells, _number(alert.separation, ".1f")] if cone else cells


def draw_light_curve(console: Console, found: Sequence[MirrorAlert]) -> None:
    """Draw the detections of an object: time, filter, magnitude, limit and score."""
    console.print(Text(_headline(found)))
    headings = ["UTC", "filter", "mag", "err", "limit", "rb", "sign", "board", "program"]
    _draw(console, [headings, *map(_detection_cells, found)])


def _headline(found: Sequence[MirrorAlert]) -> str:
    first = found[0]
    times = [alert.time for alert in found if alert.time is not None]
    span = f", {_time(times[0], 10)} to {_time(times[-1], 10)}" if len(times) > 1 else ""
    place = f"{_number(first.ra, '.5f')} {_number(first.dec, '+.5f')}"
    count = len(found)
    return f"{first.objectid} at {place}: {count} detection{'' if count == 1 else 's'}{span}"


def _detection_cells(alert: MirrorAlert) -> list[str]:
    sign = _UNKNOWN if alert.isdiffpos is None else "+" if alert.isdiffpos else "-"
    return [
        _time(alert.time, _SECONDS),
        alert.filter or _UNKNOWN,
        _number(alert.magpsf, ".2f"),
        _number(alert.sigmapsf, ".2f"),
        _number(alert.diffmaglim, ".2f"),
        _number(alert.rb, ".2f"),
        sign,
        _number(alert.boardid, "d"),
        alert.progname or _UNKNOWN,
    ]


def _draw(console: Console, rows: Sequence[Sequence[str]]) -> None:
    console.print(Table(rows), crop=False)


def _count(found: Sequence[MirrorAlert]) -> str:
    objects = len({alert.objectid for alert in found})
    count = len(found)
    return (
        f"{count} alert{'' if count == 1 else 's'} of {objects} object{'' if objects == 1 else 's'}"
    )


def _time(instant: datetime | None, length: int) -> str:
    return _UNKNOWN if instant is None else instant.isoformat(" ", "seconds")[:length]


def _number(value: float | None, form: str) -> str:
    return _UNKNOWN if value is None else format(value, form)
