"""What is there: the files by night, sessions, space, and whether the tree is ours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
