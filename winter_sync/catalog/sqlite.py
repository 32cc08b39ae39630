"""sqlite-utils without numpy, which it imports, where installed, only for its number types.

None of them reaches the catalog, and numpy is a sixth of the CPU that a command needs to start.
"""

from winter_sync.core import without

with without("numpy"):
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

__all__ = ["Database", "Migrations"]
