"""Things grouped by a text that they share."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def grouped(things: Iterable[T], reason: Callable[[T], str | None]) -> dict[str, list[T]]:
    """Group things by their reason; those without one are left out."""
    groups: dict[str, list[T]] = defaultdict(list)
    for thing in things:
        if why := reason(thing):
            groups[why].append(thing)
    return groups
