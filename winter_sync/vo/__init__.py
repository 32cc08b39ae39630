"""Services of the Virtual Observatory: images found by SIA 2.0, and what it says of itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
