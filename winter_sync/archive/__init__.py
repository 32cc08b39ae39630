"""What the observatory offers: its HTTP client, listings, and the manners kept towards it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
