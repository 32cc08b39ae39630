"""Delivering events to other programs: commands and webhooks, each in order and at least once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
