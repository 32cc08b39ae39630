"""A download's rate compared with a minimum: below it, waiting is not worth while."""

from __future__ import annotations


class Throughput:
    """Judges, window by window, whether bytes still arrive fast enough.

    Only the time that we waited for bytes counts: what we did with them meanwhile, such as waiting
    for the disk, is not the sender's fault.

    Parameters
    ----------
    floor
        Bytes a second, averaged over a window, below which it is too slow.
    window
        Seconds of waiting that are judged together.
    """

    def __init__(self, floor: float, window: float) -> None:
        self._floor = floor
        self._window = window
        self._size = 0
        self._waited = 0.0
        self.rate: float | None = None
        """Bytes a second in the last full window; None before the first is full."""

    def record(self, size: int, waited: float) -> None:
        """Record how many bytes arrived after a wait of how many seconds."""
        self._size += size
        self._waited += waited
        if self._waited >= self._window:
            self.rate = self._size / self._waited
            self._size, self._waited = 0, 0.0

    @property
    def is_too_slow(self) -> bool:
        """Whether the last full window was below the floor."""
        return self.rate is not None and self.rate < self._floor
