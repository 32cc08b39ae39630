"""All events of a run and of the daemon, for logs, progress views and counters."""

from __future__ import annotations

from winter_sync.core.daemon_events import (
    ClockJumped,
    DayEnded,
    NarrowCones,
    PagesOpen,
    PagesServed,
    Reloading,
    ReloadRefused,
    Resumed,
    Stalled,
    Started,
    Stopped,
    Stopping,
)
from winter_sync.core.delivery_events import (
    DeliveryFailed,
    DeliveryRecovered,
    EventsLost,
    SpaceChecked,
)
from winter_sync.core.download_events import (
    Backlog,
    BatchEnded,
    BatchStarted,
    DownloadsPaused,
    FoundUnchanged,
    ProductFinished,
    Received,
)
from winter_sync.core.file_events import (
    CheckPaused,
    DirectoriesNotSynced,
    FactsPaused,
    FactsRead,
    FactsUpToDate,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    GroupNotGiven,
    Recovered,
    RevisionsNotRemoved,
    RevisionsRemoved,
    StorageFailing,
    WithdrawnFilesChanged,
)
from winter_sync.core.night_events import ManifestsPaused, ManifestWritten
from winter_sync.core.poll_events import (
    Polled,
    PollFailed,
    PollsEnded,
    ProductsLeftOut,
    ProgramRefused,
    RowsLeftOut,
    ToOQueueRead,
    TypeNotServed,
    WindowHalved,
    WithdrawalCleared,
    WithdrawalHeld,
)
from winter_sync.core.server_events import (
    ClocksDiffer,
    ConnectionsChanged,
    Retrying,
    ServerFailing,
    ServerRecovered,
)

Event = (
    Backlog
    | Polled
    | PollsEnded
    | WithdrawalHeld
    | WithdrawalCleared
    | RowsLeftOut
    | ProductsLeftOut
    | PollFailed
    | TypeNotServed
    | ToOQueueRead
    | WindowHalved
    | ProgramRefused
    | BatchStarted
    | Received
    | ProductFinished
    | BatchEnded
    | FoundUnchanged
    | DownloadsPaused
    | Retrying
    | ServerFailing
    | ServerRecovered
    | ConnectionsChanged
    | ClocksDiffer
    | FilesLost
    | FilesChanged
    | FilesUnreadable
    | WithdrawnFilesChanged
    | FileChecked
    | CheckPaused
    | FactsRead
    | FactsUpToDate
    | FactsPaused
    | ManifestWritten
    | ManifestsPaused
    | Recovered
    | RevisionsNotRemoved
    | RevisionsRemoved
    | StorageFailing
    | DirectoriesNotSynced
    | GroupNotGiven
    | Started
    | Stopping
    | Stopped
    | Reloading
    | ReloadRefused
    | Stalled
    | DayEnded
    | ClockJumped
    | Resumed
    | NarrowCones
    | PagesOpen
    | PagesServed
    | DeliveryFailed
    | DeliveryRecovered
    | EventsLost
    | SpaceChecked
)
