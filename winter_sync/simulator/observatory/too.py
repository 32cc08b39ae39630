"""The queue of requests of a simulated observatory: the targets of its own sky's schedules."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.simulator.observatory.telescope_headers import mjd, request_of, schedule_of
from winter_sync.simulator.sky.ephemeris import PALOMAR_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core import Night
    from winter_sync.simulator.observatory.observatory import Observatory
    from winter_sync.simulator.observatory.observing import Visit

_ARCHIVED_AFTER = timedelta(days=30)


def too_summary(
    observatory: Observatory, program: str, *, include_archived: bool
) -> list[dict[str, Any]]:
    """Return a row for each schedule of a program (winter-api.md, "The ToO queue")."""
    now = observatory.clock.now()
    schedules: dict[str, list[Visit]] = {}
    for visit in _visits(observatory, program):
        schedules.setdefault(schedule_of(visit), []).append(visit)
    return [
        _summary(program, name, visits, now)
        for name, visits in schedules.items()
        if include_archived or now - _window(visits[0].night)[1] < _ARCHIVED_AFTER
    ]


def too_details(observatory: Observatory, program: str, schedule: str) -> list[dict[str, Any]]:
    """Return a row for each entry of a schedule."""
    now = observatory.clock.now()
    visits = _visits(observatory, program)
    return [_entry(visit, now) for visit in visits if schedule_of(visit) == schedule]


def _visits(observatory: Observatory, program: str) -> list[Visit]:
    """Return the visits to targets of a program, observed or yet to be."""
    visits = {visit.key: visit for visit in _all_visits(observatory) if visit.program == program}
    return [visit for visit in visits.values() if visit.target is not None]


def _all_visits(observatory: Observatory) -> Iterable[Visit]:
    return (entry.holding.visit for entry in observatory.all_entries())


def _summary(program: str, name: str, visits: list[Visit], now: datetime) -> dict[str, Any]:
    begins, ends = _window(visits[0].night)
    seconds = sum(visit.seconds * len(visit.dithers) for visit in visits)
    return {
        "prog_name": program,
        "attempted_frac": sum(_is_observed(visit, now) for visit in visits) / len(visits),
        "too_schedule_name": name,
        "target_names": [visit.target for visit in visits],
        "n_entries": len(visits),
        "total_time_hours": round(seconds / 3600.0, 3),
        "window_start": begins.isoformat(),
        "window_end": ends.isoformat(),
    }


def _entry(visit: Visit, now: datetime) -> dict[str, Any]:
    begins, ends = _window(visit.night)
    ra, dec = visit.source or (visit.ra, visit.dec)
    return {
        "targName": visit.target,
        "raDeg": ra,
        "decDeg": dec,
        "fieldID": visit.field_id,
        "filter": visit.filter_name,
        "visitExpTime": visit.seconds * len(visit.dithers),
        "singleExpTime": visit.seconds,
        "priority": 50,
        "progPI": "Hubble",
        "progName": visit.program,
        "progID": 1,
        "validStart": mjd(begins),
        "validStop": mjd(ends),
        "observed": int(_is_observed(visit, now)),
        "maxAirmass": 2.0,
        "ditherNumber": len(visit.dithers),
        "ditherStepSize": 30.0,
        "bestDetector": True,
        "obsHistID": request_of(visit),
    }


def _is_observed(visit: Visit, now: datetime) -> bool:
    return visit.dithers[-1].start + timedelta(seconds=visit.seconds) <= now


def _window(night: Night) -> tuple[datetime, datetime]:
    """Return when requests for a night may be observed: noon to noon at Palomar, less a little."""
    noon = datetime.combine(night.day, time(12), PALOMAR_ZONE)
    return noon, noon + timedelta(hours=19)
