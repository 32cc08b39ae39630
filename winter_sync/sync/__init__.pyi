from .coordination import Work
from .downloader import Downloader
from .engine import Mirror
from .fetcher import Fetcher
from .file_check import PIECE, Examination, Seen, Throttle, glance, glances
from .poller import Nights, Poller
from .quick_check import QuickLook, look_at_newest
from .report import Report
from .rolling_check import RollingCheck

__all__ = [
    "PIECE",
    "Downloader",
    "Examination",
    "Fetcher",
    "Mirror",
    "Nights",
    "Poller",
    "QuickLook",
    "Report",
    "RollingCheck",
    "Seen",
    "Throttle",
    "Work",
    "glance",
    "glances",
    "look_at_newest",
]
