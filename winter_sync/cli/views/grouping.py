"""Findings grouped by their reason."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def grouped(findings: Iterable[T], reason: Callable[[T], str | None]) -> dict[str, list[T]]:
    """Group findings by their reason; those without one are left out."""
    groups: dict[str, list[T]] = defaultdict(list)
    for finding in findings:
        if why := reason(finding):
            groups[why].append(finding)
    return groups
