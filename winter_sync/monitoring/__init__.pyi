from .completeness import (
    NightState,
    Numbers,
    Reach,
    all_here,
    by_program,
    end_of,
    failing,
    headline,
    never_answered,
    remainder,
    when,
)
from .daily_summary import DailySummary
from .event_log import log_events
from .log_setup import configure_logging, take_over_logging
from .metric_sources import Watched
from .metrics import Metrics
from .status import Status, read_last_night, read_status, status_as_json, with_damaged

__all__ = [
    "DailySummary",
    "Metrics",
    "NightState",
    "Numbers",
    "Reach",
    "Status",
    "Watched",
    "all_here",
    "by_program",
    "configure_logging",
    "end_of",
    "failing",
    "headline",
    "log_events",
    "never_answered",
    "read_last_night",
    "read_status",
    "remainder",
    "status_as_json",
    "take_over_logging",
    "when",
    "with_damaged",
]
