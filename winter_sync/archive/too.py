"""What the archive says of the queue of requests, read liberally. It is only ever read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from winter_sync.archive.texts import valid_unicode
from winter_sync.core import BadAnswerError, ErrorCode, ToORequest, position_on_sky

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_YEARS = range(2000, 2200)
"""Of other years no night can be made; an instant in them is taken as unknown."""
_LONGEST = 200
_MOST = 1000
"""Schedules, and entries of one, that are read."""


def read_schedules(answer: object) -> list[str]:
    """Return the names of the schedules in a summary.

    Raises
    ------
    BadAnswerError
        If it is no table.
    """
    names = [row.get("too_schedule_name") for row in _rows(answer)]
    texts = (valid_unicode(name) for name in names if isinstance(name, str) and name)
    return list(dict.fromkeys(texts))


def read_requests(answer: object, program: str, schedule: str) -> list[ToORequest]:
    """Return the entries of a schedule.

    Raises
    ------
    BadAnswerError
        If it is no table.
    """
    return [_request(row, program, schedule, n) for n, row in enumerate(_rows(answer))]


def _request(row: Mapping[str, Any], program: str, schedule: str, number: int) -> ToORequest:
    target = row.get("targName")
    ra, dec = position_on_sky(_number(row.get("raDeg")), _number(row.get("decDeg")))
    return ToORequest(
        program=program,
        schedule=schedule[:_LONGEST],
        number=number,
        target=valid_unicode(target[:_LONGEST]) if isinstance(target, str) and target else None,
        ra=ra,
        dec=dec,
        begins=_instant(row.get("validStart")),
        ends=_instant(row.get("validStop")),
        is_observed=_number(row.get("observed")) == 1.0,
    )


def _rows(answer: object) -> list[Mapping[str, Any]]:
    """Return the rows of an answer: a list of them, or a dict of columns."""
    body = answer.get("body") if isinstance(answer, Mapping) else None
    if isinstance(body, Mapping) and all(isinstance(column, list) for column in body.values()):
        columns = list(body.values())
        body = [dict(zip(body, values, strict=False)) for values in zip(*columns, strict=False)]
    if not isinstance(body, list):
        raise BadAnswerError(
            "the answer about the queue of requests has no table",
            remedy="It is asked again later.",
            code=ErrorCode.ARCHIVE_ANSWER,
        )
    return [row for row in body[:_MOST] if isinstance(row, Mapping)]


def _number(value: object) -> float | None:
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # JSON has whole numbers that no float can hold
        return None
    return number if math.isfinite(number) else None


def _instant(value: object) -> datetime | None:
    """Read a modified Julian date, or a time in ISO form; UTC unless it says otherwise."""
    number = _number(value)
    try:
        if number is not None:
            instant = _MJD_EPOCH + timedelta(days=number)
        else:
            instant = datetime.fromisoformat(str(value)[:_LONGEST])
    except (ValueError, OverflowError):
        return None
    if instant.year not in _YEARS:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
