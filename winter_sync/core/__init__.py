"""The words of the mirror: products, queries, downloads, events, errors; no I/O but safe files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
