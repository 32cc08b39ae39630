from .addresses import open_addresses
from .pages import Sources
from .server import serving

__all__ = [
    "Sources",
    "open_addresses",
    "serving",
]
