"""How queries are written for the archive, and how it writes programs and dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from winter_sync.archive.error_words import TRY_LATER
from winter_sync.core import BadAnswerError, Cone, ErrorCode, Program, Rectangle, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.archive.requests import Json
    from winter_sync.core import Query


def query_body(query: Query) -> dict[str, object]:
    """Return a query as the server's models name it (winter-api.md, "Endpoints")."""
    body: dict[str, object] = {
        "program_name": query.subject.program,
        "start_date": _whole_date(query.start),
        "image_type": query.subject.image_type.value,
    }
    if query.end is not None:
        body["end_date"] = _whole_date(query.end)
    match query.subject.region:
        case Target(name):
            body["target_name"] = name
        case Cone(ra, dec, radius):
            body |= {"ra": ra, "dec": dec, "radius_deg": radius}
        case Rectangle(ra_min, ra_max, dec_min, dec_max):
            body |= {"ra_min": ra_min, "ra_max": ra_max, "dec_min": dec_min, "dec_max": dec_max}
    return body


def _whole_date(day: date) -> int:
    return int(f"{day:%Y%m%d}")


def read_program(name: str, answer: Json, shown: Callable[[object], str | None]) -> Program:
    """Return a program as an answer describes it; `shown` makes a text fit to be shown.

    Raises
    ------
    BadAnswerError
        If the answer describes none.
    """
    body = answer.get("body") if isinstance(answer, Mapping) else None
    if not isinstance(body, Mapping):
        raise BadAnswerError(
            f"the answer about program {name} has no body",
            remedy=TRY_LATER,
            code=ErrorCode.ARCHIVE_ANSWER,
        )
    return Program(
        name=name,
        start=read_date(body.get("startdate")),
        end=read_date(body.get("enddate")),
        title=shown(body.get("progtitle")),
    )


def read_date(value: object) -> date | None:
    """Return the date that a text of the archive begins with; None if it does not."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
