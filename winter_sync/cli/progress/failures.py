"""The reasons of failures, with those that are alike counted together."""

from __future__ import annotations

import re
from collections import OrderedDict

_KEPT = 20
_LONG_NUMBER = re.compile(r"[0-9a-f]{5,}|\d{4,}")
"""A size, a checksum or a part of a name; an HTTP status is shorter."""


class Failures:
    """The latest reasons, and how often each occurred; 20 at most.

    Those that differ only in sizes, checksums or names of files count together.
    """

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """By what they have in common: the latest reason, and the number of them."""

    def add(self, reason: str) -> None:
        """Count a failure."""
        common = _LONG_NUMBER.sub("", reason)
        _, times = self._reasons.pop(common, ("", 0))
        self._reasons[common] = reason, times + 1
        if len(self._reasons) > _KEPT:
            self._reasons.popitem(last=False)

    @property
    def latest_first(self) -> tuple[tuple[str, int], ...]:
        """The reasons and how often each occurred, the latest first."""
        return tuple(reversed(self._reasons.values()))
