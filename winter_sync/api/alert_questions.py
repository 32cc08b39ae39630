"""Questions for alerts in plain words, and what the catalog understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.api.questions import (
    ConeLike,
    InstantLike,
    NightLike,
    Words,
    as_cone,
    as_instant,
    as_night,
    as_nights,
    as_words,
    refuse_empty_span,
    refuse_unknown_programs,
    refuse_unknown_targets,
)
from winter_sync.catalog import AlertQuery
from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from winter_sync.catalog import Catalog


@dataclass(frozen=True, slots=True)
class AlertQuestion:
    """What is asked of the alerts of a mirror, in plain words; see `Mirror.alerts`."""

    cone: ConeLike | None = None
    target: Words = None
    objectid: str | None = None
    since: InstantLike | None = None
    until: InstantLike | None = None
    min_rb: float | None = None
    program: Words = None
    night: NightLike | Iterable[NightLike] | None = None
    first_night: NightLike | None = None
    last_night: NightLike | None = None
    limit: int | None = None

    def query(self, catalog: Catalog, now: datetime) -> AlertQuery:
        """Return what the catalog understands.

        Parameters
        ----------
        catalog
            Knows the names of programs, and of targets and where they are.
        now
            What "yesterday" and "-7d" are counted from.

        Raises
        ------
        UsageError
            If something makes no sense, or there is no such program or target.
        """
        programs, targets = as_words(self.program), as_words(self.target)
        refuse_unknown_programs(catalog, programs)
        refuse_unknown_targets(catalog, targets)
        if self.limit is not None and self.limit < 1:
            raise UsageError(
                f"a limit of {self.limit} alerts shows none",
                remedy="Write a limit above 0.",
                code=ErrorCode.USE_OPTION,
            )
        query = AlertQuery(
            cone=None if self.cone is None else as_cone(catalog, self.cone),
            targets=targets,
            objectid=self.objectid,
            since=None if self.since is None else as_instant(self.since, now),
            until=None if self.until is None else as_instant(self.until, now),
            min_rb=self.min_rb,
            programs=programs,
            nights=as_nights(self.night, now),
            first_night=None if self.first_night is None else as_night(self.first_night, now),
            last_night=None if self.last_night is None else as_night(self.last_night, now),
            limit=self.limit,
        )
        refuse_empty_span(query.first_night, query.last_night)
        return query
