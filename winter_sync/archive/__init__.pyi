from .client import ArchiveClient
from .connections import MOST_INFORMATIONAL, Connector, TooManyInformationalError
from .download import Download
from .listing import MOST_TOLD, READER, Listing, joined
from .requests import Timeouts

__all__ = [
    "MOST_INFORMATIONAL",
    "MOST_TOLD",
    "READER",
    "ArchiveClient",
    "Connector",
    "Download",
    "Listing",
    "Timeouts",
    "TooManyInformationalError",
    "joined",
]
