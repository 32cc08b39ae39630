from .coordination import Coordination
from .download_breaker import DownloadBreaker
from .download_loop import DownloadLoop
from .downloader import Downloader
from .engine import Mirror
from .fetcher import Fetcher
from .file_check import PIECE, Examination, Seen, Throttle, glance, glances
from .poller import Poller
from .quick_check import QuickLook, look_at_newest
from .refused_programs import RefusedPrograms
from .report import Report
from .results import BatchResult
from .rolling_check import RollingCheck
from .windows import Nights

__all__ = [
    "PIECE",
    "BatchResult",
    "Coordination",
    "DownloadBreaker",
    "DownloadLoop",
    "Downloader",
    "Examination",
    "Fetcher",
    "Mirror",
    "Nights",
    "Poller",
    "QuickLook",
    "RefusedPrograms",
    "Report",
    "RollingCheck",
    "Seen",
    "Throttle",
    "glance",
    "glances",
    "look_at_newest",
]
