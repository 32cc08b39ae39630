from .client import Api, Download, Timeouts
from .listing import MOST_TOLD, Listing

__all__ = [
    "MOST_TOLD",
    "Api",
    "Download",
    "Listing",
    "Timeouts",
]
