from .api import Archive, AsyncArchive, IncompleteListingWarning, Mirror

__version__: str

__all__ = ["Archive", "AsyncArchive", "IncompleteListingWarning", "Mirror"]
