from .coordination import Work
from .downloader import Downloader
from .engine import Mirror
from .fetcher import Fetcher
from .file_check import glances
from .poller import Nights, Poller
from .quick_check import QuickLook, look_at_newest
from .report import Report
from .rolling_check import RollingCheck
from .verification import LISTED, Verification, Verified

__all__ = [
    "LISTED",
    "Downloader",
    "Fetcher",
    "Mirror",
    "Nights",
    "Poller",
    "QuickLook",
    "Report",
    "RollingCheck",
    "Verification",
    "Verified",
    "Work",
    "glances",
    "look_at_newest",
]
