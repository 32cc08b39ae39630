"""What the mirror tells other programs: numbered events, kept in the catalog until delivered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_VERSION = 1
"""The version of the JSON of an event: raised when a field changes its meaning or goes."""

EventValue = str | int | float | bool | list[str] | None
"""What a field of an event may hold: never an object, so that every reader gets along with it."""


class EventKind(StrEnum):
    """What happened; the words are a contract."""

    DOWNLOADED = "downloaded"
    """A product is in the tree for the first time."""
    ADOPTED = "adopted"
    """A file that was here already is known for a product now: nothing was downloaded."""
    REPLACED = "replaced"
    """Other content of a product took the place of what was in the tree."""
    MISSING = "missing"
    """The archive lists a product and has no file of it now."""
    WITHDRAWN = "withdrawn"
    """No program lists a product any more."""
    RETURNED = "returned"
    """A product that had been withdrawn is listed again."""
    NIGHT_SETTLED = "night_settled"
    """All of a night of a program is here or known to be missing, and nothing changes any more."""
    NIGHT_CHANGED = "night_changed"
    """Something changed in a night that was settled before, or it is settled once more."""
    SERVER_DOWN = "server_down"
    """The archive stopped responding, or returns errors: requests pause."""
    SERVER_UP = "server_up"
    """The archive answers again."""
    CREDENTIALS_REFUSED = "credentials_refused"
    """The archive refuses the credentials of a program."""
    CREDENTIALS_ACCEPTED = "credentials_accepted"
    """The archive takes the credentials of a program again."""
    DISK_LOW = "disk_low"
    """Less is free on the disk of the mirror than must stay free."""
    DISK_OK = "disk_ok"
    """There is space on the disk of the mirror again."""
    RENAMED = "renamed"
    """A withdrawn product has a successor: the same set of dithers under another name."""
    MANY_CHANGED = "many_changed"
    """One answer changed so many products in the same way that the rest of them is only counted."""
    CORRECTED = "corrected"
    """A product is listed with another target, or under another program, than before."""
    REMOVED = "removed"
    """The file of a withdrawn product was moved out of the tree or deleted, as the settings say."""
    WITHDRAWAL_HELD = "withdrawal_held"
    """So many products vanished from a listing at once that they do not count as withdrawn yet."""
    WITHDRAWAL_CLEARED = "withdrawal_cleared"
    """Some of those are listed again: none of them counts as vanished any more."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event as it is kept and delivered.

    Parameters
    ----------
    number
        Rises from event to event; some numbers may be left out.
    at
        When it was recorded, ISO 8601, UTC.
    kind
        What happened.
    fields
        The rest: what it is about.
    """

    number: int
    at: str
    kind: str
    fields: Mapping[str, EventValue]

    @property
    def json(self) -> str:
        """The event as one line of JSON, without its end; a field that is unknown is left out."""
        head = {"version": EVENT_VERSION, "number": self.number, "at": self.at, "event": self.kind}
        known = {name: value for name, value in self.fields.items() if value is not None}
        return json.dumps({**head, **known}, ensure_ascii=True, separators=(", ", ": "))
