"""What the archive lists, and what the mirror has of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from winter_sync.api import NEW, AsyncArchive, ask_archive, listed_row
from winter_sync.catalog import UserState
from winter_sync.cli.answers import open_mirror
from winter_sync.cli.process import say
from winter_sync.cli.small_cones import warn_of_small_cones
from winter_sync.core import (
    ErrorCode,
    UsageError,
    escape_unprintable,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from winter_sync.api import Products, Question, RemoteAnswer
    from winter_sync.cli.options import CommonOptions
    from winter_sync.config import Settings
    from winter_sync.core import Row


@dataclass(frozen=True, slots=True)
class RemoteListing:
    """A question to the archive.

    Parameters
    ----------
    options, settings
        The options before the command, and the settings.
    root
        The root of the mirror to compare with; None for that of the settings.
    question
        What is asked.
    """

    options: CommonOptions
    settings: Settings
    root: Path | None
    question: Question

    async def rows(self) -> Sequence[Mapping[str, object]]:
        """Return what the archive lists, with the state that it has in the mirror.

        Raises
        ------
        WinterSyncError
            If the question makes no sense, or the archive does not answer it.
        """
        states = self._states()
        search = replace(self.question, state=None).search(None, utc_now())
        warn_of_small_cones(search.cones, search.image_types)
        async with AsyncArchive(self.options.config) as archive:
            answer = await ask_archive(archive, search, self.settings.selections, utc_now())
        _report_failures(answer)
        here = {product.identity: product for product in self._known(answer.rows)}
        rows = (listed_row(row, here.get(row.product.identity)) for row in answer.rows)
        chosen = (row for row in rows if not states or row["state"] in states)
        return list(islice(chosen, self.question.limit))

    def _states(self) -> tuple[str, ...]:
        given = self.question.state or ()
        states = (given,) if isinstance(given, str) else tuple(given)
        known = (*UserState, NEW)
        for state in states:
            if state not in known:
                raise UsageError(
                    f"{state!r} is not a known state",
                    remedy=f"Use one of {', '.join(known)}.",
                    code=ErrorCode.USE_OPTION,
                )
        return states

    def _known(self, rows: Sequence[Row]) -> Products | tuple[()]:
        """Return what the mirror knows of these; nothing where there is no mirror yet."""
        try:
            mirror = open_mirror(self.options, self.root)
        except UsageError:
            return ()
        with mirror:
            return mirror.products(row.product.identity for row in rows)


def _report_failures(answer: RemoteAnswer) -> None:
    for what, error in answer.failed:
        say(f"winter-sync: {what}: {escape_unprintable(error.message)}", sys.stderr)
