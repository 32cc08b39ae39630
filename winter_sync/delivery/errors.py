"""Why events were not delivered."""

from __future__ import annotations


class NotDeliveredError(Exception):
    """A sink did not take events; the reason is a phrase for people, without any secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
