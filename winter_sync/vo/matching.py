"""Whether an image answers a query: exactly, and as far as the catalog can say beforehand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from winter_sync.catalog import ObservationQuery
from winter_sync.core import IMAGE_TYPES, Instrument, Night
from winter_sync.science import BANDS, CALIBRATION_LEVELS, FACILITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winter_sync.core import Dataset
    from winter_sync.vo.intervals import Interval
    from winter_sync.vo.parameters import ImageQuery

_MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)
_FIRST, _LAST = 33282.0, 88069.0
"""1950 and 2100, MJD: nights of other years are not looked for."""
_ONE_DAY = 1.0
"""More than there is between a night's date and the UTC of its exposures."""
_COLUMN = {
    "COLLECTION": "obs_collection",
    "FACILITY": "facility_name",
    "INSTRUMENT": "instrument_name",
    "DPTYPE": "dataproduct_type",
    "TARGET": "target_name",
    "FORMAT": "access_format",
}
_MEASURED = {
    "FOV": "s_fov",
    "SPATRES": "s_resolution",
    "SPECRP": "em_res_power",
    "EXPTIME": "t_exptime",
    "TIMERES": "t_resolution",
}
_SPANS = {"BAND": ("em_min", "em_max"), "TIME": ("t_min", "t_max")}


def answers(query: ImageQuery, dataset: Dataset, row: Mapping[str, object]) -> bool:
    """Return whether an image answers a query.

    Parameters
    ----------
    query
        The query.
    dataset, row
        The image, and as ObsCore has it.
    """
    return (
        (not query.areas or _is_in(query, dataset))
        and all(_has_text(row, name, values) for name, values in query.texts.items())
        and all(_is_measured(row, name, spans) for name, spans in query.intervals.items())
        and (not query.levels or row["calib_level"] in query.levels)
    )


def _is_in(query: ImageQuery, dataset: Dataset) -> bool:
    """Return whether an image touches a part of the sky: by its footprints, else its centre."""
    if footprints := dataset.facts.footprints:
        return any(area.touches(footprint) for area in query.areas for footprint in footprints)
    position = dataset.position
    return position is not None and any(area.contains(position) for area in query.areas)


def _has_text(row: Mapping[str, object], name: str, values: tuple[str, ...]) -> bool:
    if name == "POL":
        return False
    if name == "ID":
        return any(_same_identifier(value, str(row["obs_publisher_did"])) for value in values)
    return str(row[_COLUMN[name]] or "").lower() in values


def _same_identifier(given: str, ours: str) -> bool:
    """Compare identifiers: upper and lower case differ only in what follows the question mark."""
    (one, _, path), (other, _, our_path) = given.partition("?"), ours.partition("?")
    return one.lower() == other.lower() and unquote(path) == unquote(our_path)


def _is_measured(row: Mapping[str, object], name: str, spans: tuple[Interval, ...]) -> bool:
    if name in _SPANS:
        low, high = (_number(row[column]) for column in _SPANS[name])
        return any(span.meets(low, high) for span in spans)
    return any(span.holds(_number(row[_MEASURED[name]])) for span in spans)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


# --- beforehand --------------------------------------------------------------------------------


def may_answer(query: ImageQuery) -> ObservationQuery | None:
    """Return a question to the catalog that all answers to a query answer; None if there are none.

    The catalog may find images that do not answer the query.
    """
    types = tuple(
        t for t in IMAGE_TYPES if not query.levels or CALIBRATION_LEVELS[t] in query.levels
    )
    instruments = _instruments(query)
    filters = _filters(query)
    identities = _identities(query)
    impossible = (
        not types or instruments == () or filters == () or identities == () or "POL" in query.texts
    )
    if impossible:
        return None
    return ObservationQuery(
        image_types=types,
        instruments=instruments or (),
        areas=query.areas,
        nights=tuple(_nights(span) for span in query.intervals.get("TIME", ())),
        filters=filters or (),
        targets=query.texts.get("TARGET", ()),
        identities=identities or (),
        exposure_times=_pairs(query, "EXPTIME"),
        seeing=_pairs(query, "SPATRES"),
    )


def _instruments(query: ImageQuery) -> tuple[Instrument, ...] | None:
    """Return the cameras that may answer; None for any."""
    facility = FACILITY.lower()
    names: dict[str, Callable[[Instrument], str]] = {
        "INSTRUMENT": lambda camera: camera.value.lower(),
        "COLLECTION": lambda camera: f"{facility}/{camera.value.lower()}",
        "FACILITY": lambda _: facility,
    }
    asked = [(name_of, query.texts[name]) for name, name_of in names.items() if name in query.texts]
    if not asked:
        return None
    return tuple(
        camera
        for camera in Instrument
        if all(name_of(camera) in values for name_of, values in asked)
    )


def _filters(query: ImageQuery) -> tuple[str, ...] | None:
    """Return the filters in lower case that may answer; None for any."""
    bands, powers = query.intervals.get("BAND"), query.intervals.get("SPECRP")
    if bands is None and powers is None:
        return None
    found = {
        name.lower()
        for name, band in BANDS.items()
        if (bands is None or any(span.meets(band.shortest, band.longest) for span in bands))
        and (powers is None or any(span.holds(band.resolving_power) for span in powers))
    }
    return tuple(sorted(found))


def _identities(query: ImageQuery) -> tuple[tuple[Instrument, str], ...] | None:
    values = query.texts.get("ID")
    if values is None:
        return None
    found = []
    for value in values:
        head, _, path = value.partition("?")
        camera = head.rpartition("/")[2].lower()
        if camera in {instrument.value for instrument in Instrument} and path:
            found.append((Instrument(camera), unquote(path)))
    return tuple(found)


def _nights(span: Interval) -> tuple[Night, Night]:
    return _night(span.low - _ONE_DAY), _night(span.high + _ONE_DAY)


def _night(mjd: float) -> Night:
    days = min(max(mjd, _FIRST), _LAST)
    return Night(f"{_MJD_0 + timedelta(days=days):%Y%m%d}")


def _pairs(query: ImageQuery, name: str) -> tuple[tuple[float, float], ...]:
    return tuple((span.low, span.high) for span in query.intervals.get(name, ()))
