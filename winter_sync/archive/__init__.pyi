from .client import ArchiveClient
from .download import Download
from .listing import MOST_TOLD, Listing
from .requests import Timeouts

__all__ = [
    "MOST_TOLD",
    "ArchiveClient",
    "Download",
    "Listing",
    "Timeouts",
]
