from .server import Sources, open_addresses, serving

__all__ = [
    "Sources",
    "open_addresses",
    "serving",
]
