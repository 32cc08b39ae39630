"""What is done to a mirror that is there: its files verified and repaired."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
