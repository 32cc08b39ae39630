from .archive import open_api
from .catalogs import open_existing_catalog
from .delivery import make_deliverer
from .mirror import open_mirror
from .parts import checked_mirror

__all__ = [
    "checked_mirror",
    "make_deliverer",
    "open_api",
    "open_existing_catalog",
    "open_mirror",
]
