from .adoption import adopt_part, examine, find_present, made_durable, refusal
from .checked_mirror import CheckedMirror
from .coordination import Coordination
from .download_breaker import DownloadBreaker
from .download_loop import DownloadLoop
from .download_planner import ClientLimits
from .downloader import Downloader
from .dry_run import DryRun, Expected, Group, dry_run
from .engine import Mirror
from .fetcher import Fetcher
from .file_check import PIECE, FileFinding, Throttle, stat_file, stat_files
from .listing_recorder import ListingRecorder
from .newest_files import check_newest
from .pacing import RefetchLimits
from .poller import Poller
from .quick_check import QuickCheck
from .receiver import largest
from .refused_programs import RefusedPrograms
from .report import Report
from .results import BatchResult
from .retention import KeepLimits, Retention
from .rolling_check import RollingCheck
from .too_queue import read_too_queue, read_too_queue_repeatedly
from .transfer_record import TransferRecord
from .windows import Nights
from .withdrawn_files import FilesOfWithdrawn

__all__ = [
    "PIECE",
    "BatchResult",
    "CheckedMirror",
    "ClientLimits",
    "Coordination",
    "DownloadBreaker",
    "DownloadLoop",
    "Downloader",
    "DryRun",
    "Expected",
    "Fetcher",
    "FileFinding",
    "FilesOfWithdrawn",
    "Group",
    "KeepLimits",
    "ListingRecorder",
    "Mirror",
    "Nights",
    "Poller",
    "QuickCheck",
    "RefetchLimits",
    "RefusedPrograms",
    "Report",
    "Retention",
    "RollingCheck",
    "Throttle",
    "TransferRecord",
    "adopt_part",
    "check_newest",
    "dry_run",
    "examine",
    "find_present",
    "largest",
    "made_durable",
    "read_too_queue",
    "read_too_queue_repeatedly",
    "refusal",
    "stat_file",
    "stat_files",
]
