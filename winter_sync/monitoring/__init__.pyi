from .arrivals import Arrivals
from .completeness import (
    ArchiveState,
    NightState,
    all_here,
    by_program,
    failing,
    never_answered,
)
from .daily_summary import DailySummary
from .event_log import log_events
from .log_setup import configure_logging, take_over_logging
from .metric_sources import Watched
from .metrics import Metrics
from .night_status import NightDetail, read_night
from .sink_states import SinkState, read_sinks
from .status import Only, Status, read_last_night, read_status, state_of_last_night, with_damaged
from .status_json import status_as_json
from .status_text import headline, remainder, when

__all__ = [
    "ArchiveState",
    "Arrivals",
    "DailySummary",
    "Metrics",
    "NightDetail",
    "NightState",
    "Only",
    "SinkState",
    "Status",
    "Watched",
    "all_here",
    "by_program",
    "configure_logging",
    "failing",
    "headline",
    "log_events",
    "never_answered",
    "read_last_night",
    "read_night",
    "read_sinks",
    "read_status",
    "remainder",
    "state_of_last_night",
    "status_as_json",
    "take_over_logging",
    "when",
    "with_damaged",
]
