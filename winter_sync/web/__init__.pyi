from .access import Access, refuse_unprotected
from .addresses import open_addresses
from .pages import Sources
from .server import serving, try_address
from .shared_answer import SharedAnswer
from .site import Answer, ByteStream, Document, EventStream, FileContent, PageRequest

__all__ = [
    "Access",
    "Answer",
    "ByteStream",
    "Document",
    "EventStream",
    "FileContent",
    "PageRequest",
    "SharedAnswer",
    "Sources",
    "open_addresses",
    "refuse_unprotected",
    "serving",
    "try_address",
]
