"""Numbers and intervals as services of the Virtual Observatory take them (DALI 1.1, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan

from winter_sync.core import ErrorCode, UsageError


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from a least to a greatest, both included; either may be infinite."""

    low: float
    high: float

    def holds(self, number: float | None) -> bool:
        """Return whether a number is known, and in it."""
        return number is not None and self.low <= number <= self.high

    def meets(self, low: float | None, high: float | None) -> bool:
        """Return whether any number of another interval is in it; of one with one end, that end."""
        ends = [end for end in (low, high) if end is not None]
        return bool(ends) and min(ends) <= self.high and max(ends) >= self.low


def parse_interval(name: str, text: str, example: str) -> Interval:
    """Read an interval of a parameter, or one number.

    Raises
    ------
    UsageError
        If the text is neither, or the interval holds nothing.
    """
    remedy = (
        f"Write one number, or two with a space between them, such as {name}={example}; "
        "-Inf and +Inf leave an end open."
    )
    numbers = parse_numbers(text, f"{name}={text}", remedy)
    if len(numbers) not in {1, 2}:
        raise UsageError(
            f"{name}={text} is not an interval", remedy=remedy, code=ErrorCode.USE_OPTION
        )
    if numbers[0] > numbers[-1] or (numbers[0] == numbers[-1] and abs(numbers[0]) == inf):
        raise UsageError(
            f"{name}={text} is an interval that holds nothing",
            remedy=remedy,
            code=ErrorCode.USE_OPTION,
        )
    return Interval(numbers[0], numbers[-1])


def parse_numbers(text: str, given: str, remedy: str) -> list[float]:
    """Read numbers with spaces between them.

    Parameters
    ----------
    text
        The numbers.
    given
        What was given, of which they are a part.
    remedy
        What to write instead of what is no number.

    Raises
    ------
    UsageError
        If one is none.
    """
    try:
        numbers = [float(part) for part in text.split()]
    except ValueError:
        numbers = []
    if not numbers or any(map(isnan, numbers)):
        raise UsageError(
            f"{given} is not made of numbers", remedy=remedy, code=ErrorCode.USE_OPTION
        )
    return numbers
