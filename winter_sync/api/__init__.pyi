from .archive import Archive, AsyncArchive, IncompleteListingWarning
from .mirror import Mirror
from .products import MirrorProduct, Products
from .questions import Question

__all__ = [
    "Archive",
    "AsyncArchive",
    "IncompleteListingWarning",
    "Mirror",
    "MirrorProduct",
    "Products",
    "Question",
]
