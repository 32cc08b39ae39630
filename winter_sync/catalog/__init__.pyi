from .connection import Catalog, CatalogThread
from .readonly import may_write
from .records import (
    Check,
    Damaged,
    Held,
    LastPoll,
    NightCount,
    Poll,
    PollState,
    QueueCount,
    Scope,
    Standing,
    Trouble,
    Waiting,
)
from .rows import instant_text

__all__ = [
    "Catalog",
    "CatalogThread",
    "Check",
    "Damaged",
    "Held",
    "LastPoll",
    "NightCount",
    "Poll",
    "PollState",
    "QueueCount",
    "Scope",
    "Standing",
    "Trouble",
    "Waiting",
    "instant_text",
    "may_write",
]
