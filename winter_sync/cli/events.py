"""Events shown on a terminal, written to a pipe, and followed as they happen."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from winter_sync.cli.process import console, say, streams
from winter_sync.cli.views.event_table import EventTable
from winter_sync.core import EventFilter, ExitCode, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.api import Mirror
    from winter_sync.core import OutboxEvent

NEWEST_SHOWN = 100
"""Events on a terminal where the user does not say since when."""
_LOOK_EVERY = 1.0
"""Seconds between two looks for new events."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `events` is asked for.

    Parameters
    ----------
    since
        Only events after this number; None for not said.
    follow
        Whether to wait for more.
    wanted
        Conditions on the events.
    as_json
        Whether a terminal gets JSON, too.
    """

    since: int | None = None
    follow: bool = False
    wanted: EventFilter = field(default_factory=EventFilter)
    as_json: bool = False


def show_events(open_mirror: Callable[[], Mirror], request: Request) -> None:
    """Show events; interrupted, the process ends and says where to go on.

    Raises
    ------
    UsageError, StorageError
        If the mirror cannot be read.
    """
    followed = Following(open_mirror, request)
    try:
        _show(followed, as_json=request.as_json or not sys.stdout.isatty())
    except KeyboardInterrupt:
        sys.stdout.flush()
        say(f"winter-sync: interrupted; --since {followed.reached} goes on from here", sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


def _show(followed: Following, *, as_json: bool) -> None:
    events = takewhile(lambda _: not streams.is_lost, followed.events(newest_only=not as_json))
    table = EventTable(console().width) if not as_json else None
    shown = 0
    for event in events:
        for line in [event.json] if table is None else table.lines(event):
            say(line)
        shown += 1
    if not shown and not followed.request.follow:
        say("winter-sync: no event matches", sys.stderr)


class Following:
    """Reads events, and those that follow.

    The catalog is opened anew for each look: so it does not matter whether a daemon begins or ends
    meanwhile, nor whether this user may write beside the catalog.

    Parameters
    ----------
    open_mirror
        Opens the mirror.
    request
        Which events, and whether to wait for more.
    wait
        Waits a number of seconds.
    """

    def __init__(
        self,
        open_mirror: Callable[[], Mirror],
        request: Request,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.request = request
        self.reached = 0
        """The number of the last event that was read."""
        self._open = open_mirror
        self._wait = wait

    def events(self, *, newest_only: bool = False) -> Iterator[OutboxEvent]:
        """Yield the events, and with `follow` go on until nobody reads them any more.

        Parameters
        ----------
        newest_only
            Begin with the newest where the request does not say since when.
        """
        with self._open() as mirror:
            self.reached = self._first(mirror, newest_only=newest_only)
            yield from self._read(mirror)
        while self.request.follow and not streams.is_reader_gone:
            sys.stdout.flush()
            self._wait(_LOOK_EVERY)
            yield from self._news()

    def _first(self, mirror: Mirror, *, newest_only: bool) -> int:
        """Return the number after which to begin."""
        newest = mirror.newest_event()
        if self.request.since is not None:
            _warn_of_other_catalog(self.request.since, newest)
            return self.request.since
        if self.request.follow:
            return newest
        if not newest_only:
            return 0
        return self._before_newest(mirror, newest)

    def _before_newest(self, mirror: Mirror, newest: int) -> int:
        """Return the number after which there are as many events as a terminal is shown."""
        backwards = filter(self.request.wanted.accepts, mirror.events_before(newest + 1))
        shown = [event.number for event in islice(backwards, NEWEST_SHOWN)]
        return shown[-1] - 1 if shown else newest

    def _read(self, mirror: Mirror) -> Iterator[OutboxEvent]:
        for event in mirror.events(self.reached):
            self.reached = event.number
            if self.request.wanted.accepts(event):
                yield event

    def _news(self) -> Iterator[OutboxEvent]:
        """Yield what happened since; one look that fails may be because a daemon began or ended."""
        try:
            with self._open() as mirror:
                yield from self._read(mirror)
        except StorageError:
            self._wait(_LOOK_EVERY)
            with self._open() as mirror:
                yield from self._read(mirror)


def _warn_of_other_catalog(since: int, newest: int) -> None:
    """Say that a number is none of this catalog: whoever remembers it would miss what comes."""
    if since > newest:
        say(
            f"winter-sync: --since {since} is beyond the newest event, {newest}: it is the number "
            f"of another catalog, or of this one before an older copy was put back; `--since "
            f"{newest}` shows what happens from now on",
            sys.stderr,
        )
