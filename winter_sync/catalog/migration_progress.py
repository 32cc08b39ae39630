"""What people read while a large catalog is brought up to date, which may take minutes."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

_EVERY = timedelta(seconds=10)
_STEPS = 1_000_000
"""Of SQLite's machine between two looks at the clock: a fraction of a second."""
_logger = logging.getLogger(__name__)


class MigrationProgress:
    """Logs every ten seconds how far the migrations of a catalog are.

    Parameters
    ----------
    pending
        The names of the migrations to apply, in order.
    clock
        Returns the current time.
    """

    def __init__(self, pending: Sequence[str], clock: Callable[[], datetime]) -> None:
        self._pending = list(pending)
        self._clock = clock
        self._began = self._said = clock()
        self._step = 0

    def begin(self, name: str) -> None:
        """Take note that a migration begins."""
        self._step = self._pending.index(name) + 1 if name in self._pending else self._step

    @contextmanager
    def shown(self, db: sqlite3.Connection) -> Iterator[None]:
        """Log while a connection works."""
        db.set_progress_handler(self._look, _STEPS)
        try:
            yield
        finally:
            db.set_progress_handler(None, 0)

    def _look(self) -> int:
        now = self._clock()
        if abs(now - self._said) >= _EVERY:
            self._said = now
            _logger.warning(
                "bringing the catalog up to date: step %d of %d, %d s so far; other commands wait. "
                "Interrupted, it stays as it was and begins again.",
                self._step,
                len(self._pending),
                abs(now - self._began).total_seconds(),
            )
        return 0
