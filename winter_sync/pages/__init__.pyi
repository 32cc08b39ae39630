from .context import PageContext
from .site import MirrorSite
from .transfers import Transfers

__all__ = [
    "MirrorSite",
    "PageContext",
    "Transfers",
]
