from .alert_columns import ALERT_COLUMNS
from .alert_cutouts import save_cutouts
from .alerts import Alerts, MirrorAlert
from .archive import Archive, AsyncArchive, IncompleteListingWarning
from .mirror import Mirror
from .product_columns import PRODUCT_COLUMNS, product_row
from .products import MirrorProduct, Products
from .questions import Question
from .remote import NEW, RemoteAnswer, ask_archive, listed_row

__all__ = [
    "ALERT_COLUMNS",
    "NEW",
    "PRODUCT_COLUMNS",
    "Alerts",
    "Archive",
    "AsyncArchive",
    "IncompleteListingWarning",
    "Mirror",
    "MirrorAlert",
    "MirrorProduct",
    "Products",
    "Question",
    "RemoteAnswer",
    "ask_archive",
    "listed_row",
    "product_row",
    "save_cutouts",
]
