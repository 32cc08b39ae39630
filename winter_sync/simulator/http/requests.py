"""Parses requests, or says in a 422's words what is wrong with them. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.core import Cone, ImageType, Instrument, Rectangle, Region, Target
from winter_sync.simulator.http.errors import Problem, missing, problem, unprocessable
from winter_sync.simulator.http.fields import FieldReader, choice_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Location = tuple[str | int, ...]

MAX_TARGET_LENGTH = 30
MAX_RADIUS = 90.0
DEFAULT_SPAN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The query string of an `/images` call; the key is never shown."""

    program: str
    api_key: str = field(repr=False)
    instrument: Instrument = Instrument.WINTER
    image_type: ImageType | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: inclusive dates as YYYYMMDD numbers, which need not be real dates.

    A `Target` without a name asks for what has no target name.
    """

    program: str
    start: int
    end: int
    image_type: ImageType
    region: Region | None = None
    unnamed: bool = False

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row of the listing answers the query."""
        day = int(str(row["nightdate"]).replace("-", ""))
        if not self.start <= day <= self.end:
            return False
        if self.unnamed:
            return row["targname"] is None
        return _within(self.region, row)


def separation(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the angle between two places (right ascension, declination), all in degrees."""
    (ra1, dec1), (ra2, dec2) = (
        (math.radians(place[0]), math.radians(place[1])) for place in (first, second)
    )
    half = math.sin((dec2 - dec1) / 2) ** 2
    half += math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, half))))


def read_body(content: bytes, content_type: str | None) -> object:
    """Return the JSON of a body, as FastAPI reads it.

    No content type is taken for JSON; any other than JSON leaves the bytes as they are, which
    then are no valid list (winter-api.md, "Endpoints").

    Raises
    ------
    Refusal
        422, when it is not JSON.
    """
    if not content:
        return None
    if content_type is not None and not _says_json(content_type):
        return content.decode("utf-8", "replace")
    try:
        return json.loads(content)
    except UnicodeDecodeError as error:
        raise unprocessable([_not_json(error.start, "not UTF-8")]) from None
    except json.JSONDecodeError as error:
        raise unprocessable([_not_json(error.pos, error.msg)]) from None


def read_parameters(
    query: Mapping[str, str], *, with_type: bool = False
) -> tuple[Parameters | None, list[Problem]]:
    """Read the query string; with the list of what is wrong, the parameters are None."""
    needed = ("program_name", "program_api_key")
    problems = [missing(("query", name), None) for name in needed if name not in query]
    instrument: Instrument | None = Instrument.WINTER
    if "instrument" in query:
        place = ("query", "instrument")
        instrument = choice_of(Instrument, query["instrument"], place, problems)
    image_type = None
    if with_type and "image_type" not in query:
        problems.append(missing(("query", "image_type"), None))
    elif with_type:
        image_type = choice_of(ImageType, query["image_type"], ("query", "image_type"), problems)
    if problems or instrument is None:
        return None, problems
    names = query["program_name"], query["program_api_key"]
    return Parameters(*names, instrument, image_type), []


def read_queries(body: object, today: date) -> tuple[list[Asked], list[Problem]]:
    """Read the list of queries of `/images/query`; `today` is the server's, in UTC."""
    entries, problems = _entries(body)
    asked = []
    for index, entry in enumerate(entries):
        reader = FieldReader(entry, ("body", index))
        query = _read_query(reader, today)
        problems += reader.problems
        if query is not None and not reader.problems:
            asked.append(query)
    return asked, problems


def read_paths(body: object) -> tuple[list[str], list[Problem]]:
    """Read the list of savepaths of `/images/download_list`."""
    entries, problems = _entries(body)
    paths = []
    for index, entry in enumerate(entries):
        reader = FieldReader(entry, ("body", index))
        paths.append(reader.text("path", shortest=1) or "")
        problems += reader.problems
    return paths, problems


def _read_query(reader: FieldReader, today: date) -> Asked | None:
    program = reader.text("program_name", shortest=1)
    start = reader.whole("start_date", _number(today - DEFAULT_SPAN))
    end = reader.whole("end_date", _number(today))
    image_type = reader.image_type()
    region, unnamed = _read_region(reader)
    if reader.problems:
        return None
    if wrong := _wrong_dates(start, end, _number(today)):
        reader.refuse(wrong)
        return None
    return Asked(program or "", start, end, image_type, region, unnamed)


def _wrong_dates(start: int, end: int, today: int) -> str | None:
    """Return the words of wintertoo 1.10.1 (`ProgramImageQuery`) for dates it refuses."""
    if start > end:
        return "Start date is after end date"
    if start > today:
        return f"Start date is in the future, (today is {today})"
    if end > today:
        return f"End date is in the future, (today is {today})"
    return None


def _read_region(reader: FieldReader) -> tuple[Region | None, bool]:
    given = reader.entry.keys()
    if "target_name" in given:
        if reader.entry["target_name"] is None:
            return None, True
        name = reader.text("target_name", shortest=1, longest=MAX_TARGET_LENGTH)
        return Target(name or ""), False
    if given & {"ra_min", "ra_max", "dec_min", "dec_max"}:
        return _read_rectangle(reader), False
    if given & {"ra", "dec", "radius_deg"}:
        ra = reader.number("ra", 0.0, 360.0)
        dec = reader.number("dec", -90.0, 90.0)
        return Cone(ra, dec, reader.number("radius_deg", 0.0, MAX_RADIUS, default=1.0)), False
    return None, False


def _read_rectangle(reader: FieldReader) -> Rectangle:
    box = Rectangle(
        reader.number("ra_min", 0.0, 360.0),
        reader.number("ra_max", 0.0, 360.0),
        reader.number("dec_min", -90.0, 90.0),
        reader.number("dec_max", -90.0, 90.0),
    )
    pairs = ("RA", box.ra_min, box.ra_max), ("Dec", box.dec_min, box.dec_max)
    for label, low, high in pairs:
        if not reader.problems and high <= low:
            reader.refuse(
                f"{label} range invalid: maximum value ({high}) not "
                f"greater than minimum value({low})"
            )
    return box


def _within(region: Region | None, row: Mapping[str, Any]) -> bool:
    if isinstance(region, Target):
        return bool(row["targname"] == region.name)
    if isinstance(region, Cone):
        return separation((region.ra, region.dec), (row["ra"], row["dec"])) <= region.radius
    if isinstance(region, Rectangle):
        inside = region.ra_min <= row["ra"] <= region.ra_max
        return inside and bool(region.dec_min <= row["dec"] <= region.dec_max)
    return True


def _entries(body: object) -> tuple[list[Any], list[Problem]]:
    if body is None:
        return [], [missing(("body",), None)]
    if not isinstance(body, list):
        return [], [problem("list_type", ("body",), "Input should be a valid list", body)]
    if not body:
        words = "List should have at least 1 item after validation, not 0"
        ctx = {"field_type": "List", "min_length": 1, "actual_length": 0}
        return [], [problem("too_short", ("body",), words, body, **ctx)]
    return body, []


def _number(day: date) -> int:
    return int(f"{day:%Y%m%d}")


def _says_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return bool(re.fullmatch(r"application/(.+\+)?json", kind))


def _not_json(position: int, reason: str) -> Problem:
    return problem("json_invalid", ("body", position), "JSON decode error", {}, error=reason)
