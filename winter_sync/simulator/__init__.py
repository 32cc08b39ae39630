"""A simulated observatory: the WINTER archive's API over synthetic nights, by seed.

For tests, demonstrations and benchmarks. Importing this package is cheap; the server and the
image writers are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
