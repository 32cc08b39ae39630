from .adoptions import Adoptions
from .alerts import AlertFiles, AlertQuery, Alerts, FoundAlert
from .catalog import Catalog
from .checks import Checks
from .coverage_records import FoundImage, Images, Unseen
from .event_sinks import EventSinks, SinkProgress
from .facts import Facts
from .files import Files
from .history import History
from .listings import Listings
from .night_records import KindOfNight, NightFile, NightOf, NightRecord, SettledNight
from .nights import Nights
from .observations import ObservationQuery
from .outbox import Outbox
from .outcomes import Outcomes
from .polls import Polls
from .queue import Queue
from .readonly import may_write
from .records import (
    Check,
    Damaged,
    FileSetAside,
    Held,
    KeptRevision,
    LastPoll,
    NightCount,
    NotCompared,
    Poll,
    PollState,
    ProductHistory,
    ProgramSummary,
    QueueCount,
    RecordedPoll,
    RefetchStatus,
    Revision,
    Scope,
    Trouble,
    Waiting,
)
from .refetches import Refetches
from .search_records import FoundProduct, Search, UserState
from .set_aside import SetAside
from .settling import Settling
from .sky_records import SkyCell, SkyField
from .thread import CatalogThread
from .too import ToOQueue
from .values import format_instant
from .views import Views
from .withdrawals import Withdrawals

__all__ = [
    "Adoptions",
    "AlertFiles",
    "AlertQuery",
    "Alerts",
    "Catalog",
    "CatalogThread",
    "Check",
    "Checks",
    "Damaged",
    "EventSinks",
    "Facts",
    "FileSetAside",
    "Files",
    "FoundAlert",
    "FoundImage",
    "FoundProduct",
    "Held",
    "History",
    "Images",
    "KeptRevision",
    "KindOfNight",
    "LastPoll",
    "Listings",
    "NightCount",
    "NightFile",
    "NightOf",
    "NightRecord",
    "Nights",
    "NotCompared",
    "ObservationQuery",
    "Outbox",
    "Outcomes",
    "Poll",
    "PollState",
    "Polls",
    "ProductHistory",
    "ProgramSummary",
    "Queue",
    "QueueCount",
    "RecordedPoll",
    "RefetchStatus",
    "Refetches",
    "Revision",
    "Scope",
    "Search",
    "SetAside",
    "SettledNight",
    "Settling",
    "SinkProgress",
    "SkyCell",
    "SkyField",
    "ToOQueue",
    "Trouble",
    "Unseen",
    "UserState",
    "Views",
    "Waiting",
    "Withdrawals",
    "format_instant",
    "may_write",
]
