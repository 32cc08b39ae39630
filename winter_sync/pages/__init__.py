"""The pages for people: what the mirror holds, night by night, drawn on the server."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
