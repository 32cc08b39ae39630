"""The pages: an HTTP server of few connections that one bad client cannot take."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
