"""Reads the fields of a JSON object as pydantic does, and collects what is wrong with them."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from winter_sync.core import ImageType
from winter_sync.simulator.http.errors import Problem, missing, problem

if TYPE_CHECKING:
    Location = tuple[str | int, ...]

DEFAULT_IMAGE_TYPE = ImageType.STACK

_Word = TypeVar("_Word", bound=StrEnum)


class FieldReader:
    """Reads the fields of one JSON object, collecting what is wrong with them."""

    def __init__(self, entry: object, loc: Location) -> None:
        self.entry: dict[str, Any] = entry if isinstance(entry, dict) else {}
        self.problems: list[Problem] = []
        self._loc = loc
        self._readable = isinstance(entry, dict)
        if not self._readable:
            words = "Input should be a valid dictionary or object to extract fields from"
            self.problems.append(problem("model_attributes_type", loc, words, entry))

    def refuse(self, words: str) -> None:
        """Refuse the object as a whole."""
        message = f"Value error, {words}"
        self.problems.append(problem("value_error", self._loc, message, self.entry, error={}))

    def text(self, name: str, *, shortest: int = 0, longest: int | None = None) -> str | None:
        """Read a text that must be there."""
        if not self._given(name):
            return None
        value = self.entry[name]
        if not isinstance(value, str):
            self._wrong(name, "string_type", "Input should be a valid string")
        elif len(value) < shortest:
            words = f"String should have at least {shortest} character"
            self._wrong(name, "string_too_short", words, min_length=shortest)
        elif longest is not None and len(value) > longest:
            words = f"String should have at most {longest} characters"
            self._wrong(name, "string_too_long", words, max_length=longest)
        else:
            return value
        return None

    def whole(self, name: str, default: int) -> int:
        """Read a whole number: digits in a text and 5.0 pass for one, as in pydantic."""
        value = self.entry.get(name, default)
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value, re.ASCII):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        kind, words = "int_type", "Input should be a valid integer"
        if isinstance(value, str):
            kind, words = "int_parsing", f"{words}, unable to parse string as an integer"
        elif isinstance(value, float):
            kind, words = "int_from_float", f"{words}, got a number with a fractional part"
        self._wrong(name, kind, words)
        return default

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Read a number within limits (both allowed)."""
        if name not in self.entry and default is not None:
            return default
        if not self._given(name):
            return math.nan
        value = _as_float(self.entry[name])
        if value is None:
            self._wrong(name, "float_type", "Input should be a valid number")
        elif not value >= low:
            words = f"Input should be greater than or equal to {low:g}"
            self._wrong(name, "greater_than_equal", words, ge=low)
        elif not value <= high:
            words = f"Input should be less than or equal to {high:g}"
            self._wrong(name, "less_than_equal", words, le=high)
        else:
            return value
        return math.nan

    def image_type(self) -> ImageType:
        """Read the image type; older clients call it `kind`."""
        name = "image_type" if "image_type" in self.entry else "kind"
        if name not in self.entry:
            return DEFAULT_IMAGE_TYPE
        loc = (*self._loc, name)
        return choice_of(ImageType, self.entry[name], loc, self.problems) or DEFAULT_IMAGE_TYPE

    def _given(self, name: str) -> bool:
        if name in self.entry:
            return True
        if self._readable:
            self.problems.append(missing((*self._loc, name), self.entry))
        return False

    def _wrong(self, name: str, kind: str, words: str, **ctx: object) -> None:
        given = self.entry.get(name)
        self.problems.append(problem(kind, (*self._loc, name), words, given, **ctx))


def choice_of(
    words: type[_Word], value: object, loc: Location, problems: list[Problem]
) -> _Word | None:
    """Return which of some words a value is; None if it is none, with a problem more."""
    if isinstance(value, str) and value in list(words):
        return words(value)
    quoted = [f"'{word}'" for word in words]
    expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    message = f"Input should be {expected}"
    problems.append(problem("literal_error", loc, message, value, expected=expected))
    return None


def _as_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
