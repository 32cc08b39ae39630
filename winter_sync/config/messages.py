"""What is wrong with the settings, in the words of their file rather than of Python."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from winter_sync.config.sections import (
    EXAMPLE,
    ApiSettings,
    ConeSettings,
    DaemonSettings,
    EventsSettings,
    HttpSettings,
    MirrorSettings,
    PagesSettings,
    ProgramSettings,
    RectangleSettings,
    ScheduleOverrides,
    ScheduleSettings,
    SinkSettings,
)
from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails


def explain(invalid: ValidationError, settings: type[BaseModel], path: Path | None) -> UsageError:
    """Return an error with a line for each fault that pydantic found, and no value of a secret.

    Parameters
    ----------
    invalid
        The faults.
    settings
        The model of the whole file.
    path
        The file that was read, if any.
    """
    errors = invalid.errors(include_url=False)
    places = [error["loc"] for error in errors]
    lines = [
        _line(error, settings)
        for error in errors
        if not any(place[: len(error["loc"])] == error["loc"] != place for place in places)
    ]
    where = f"{path} or the environment" if path else "the environment"
    return UsageError(
        "the settings are wrong:\n  " + "\n  ".join(dict.fromkeys(lines)),
        remedy=f"Fix them in {where}; {EXAMPLE} explains every key.",
        code=ErrorCode.SETTINGS_VALUE,
    )


def _line(error: ErrorDetails, settings: type[BaseModel]) -> str:
    name = _dotted(error["loc"])
    fault = _fault(error, settings)
    return f"{name}: {fault}" if name else fault


def _fault(error: ErrorDetails, settings: type[BaseModel]) -> str:
    """Return what is wrong in words of the settings file rather than of Python."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        where = error["loc"]
        return f"there is no such key{nearest(str(where[-1]), _siblings(where, settings))}"
    if kind in {"enum", "literal_error"}:
        known = re.findall(r"'([^']+)'", context["expected"])
        return f"{str(error['input'])[:40]!r} is not known{nearest(str(error['input']), known)}"
    if kind in _FAULTS:
        return _FAULTS[kind].format_map(context)
    text = error["msg"].removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"


_ADDRESS = 'an address is written like "http://winter.caltech.edu:82"'
_FAULTS = {
    "missing": "it is missing",
    "string_type": 'must be text, in "quotes"',
    "path_type": 'must be a path, in "quotes"',
    "tuple_type": 'must be a list, e.g. ["stack"]; tables are headed by [[double brackets]]',
    "model_type": "must be a table",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must have at least one entry",
    "string_too_short": "must not be empty",
    "string_too_long": "must not have more than {max_length} characters",
    "url_parsing": _ADDRESS,
    "url_scheme": _ADDRESS,
    "url_type": _ADDRESS,
}
"""The faults of pydantic that can occur, in words of the settings file."""


def _dotted(where: tuple[int | str, ...]) -> str:
    name = ""
    for part in where:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _siblings(where: tuple[int | str, ...], settings: type[BaseModel]) -> list[str]:
    """Return the known keys of the table that an unknown one is in."""
    tables: dict[str, type[BaseModel]] = {
        "api": ApiSettings,
        "mirror": MirrorSettings,
        "schedule": ScheduleSettings,
        "daemon": DaemonSettings,
        "http": HttpSettings,
        "pages": PagesSettings,
        "events": EventsSettings,
        "sinks": SinkSettings,
        "programs": ProgramSettings,
        "cones": ConeSettings,
        "rectangles": RectangleSettings,
    }
    above = [part for part in where[:-1] if isinstance(part, str)]
    if "types" in above:
        return list(ScheduleOverrides.model_fields)
    return list((tables[above[-1]] if above else settings).model_fields)


def nearest(word: str, known: list[str]) -> str:
    """Return the end of a sentence about an unknown word: the most similar known one, or all."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; it must be one of {', '.join(known)}"
