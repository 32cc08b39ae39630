"""Whether a file is whole, and what it says: zip streams, FITS, Avro."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
