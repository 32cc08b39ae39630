from .alert_columns import ALERT_COLUMNS
from .alert_cutouts import save_cutouts
from .alerts import Alerts, MirrorAlert
from .archive import Archive, AsyncArchive, IncompleteListingWarning
from .mirror import Mirror
from .products import MirrorProduct, Products
from .questions import Question

__all__ = [
    "ALERT_COLUMNS",
    "Alerts",
    "Archive",
    "AsyncArchive",
    "IncompleteListingWarning",
    "Mirror",
    "MirrorAlert",
    "MirrorProduct",
    "Products",
    "Question",
    "save_cutouts",
]
