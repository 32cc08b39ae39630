from .alert_columns import ALERT_COLUMNS, alert_row
from .alert_cutouts import save_cutouts
from .alert_questions import AlertQuestion
from .alerts import Alerts, MirrorAlert
from .archive import Archive, AsyncArchive, IncompleteListingWarning
from .coverage import Coverage, CoveringImage
from .coverage_columns import COVERAGE_COLUMNS, coverage_row
from .cutout_strip import MOST_PANELS, panel_of, save_strip
from .cutouts import Cutout, Cutouts, refuse_tree
from .mirror import Mirror
from .product_columns import PRODUCT_COLUMNS, product_row
from .products import MirrorProduct, Products
from .questions import Question
from .remote import NEW, RemoteAnswer, ask_archive, listed_row

__all__ = [
    "ALERT_COLUMNS",
    "COVERAGE_COLUMNS",
    "MOST_PANELS",
    "NEW",
    "PRODUCT_COLUMNS",
    "AlertQuestion",
    "Alerts",
    "Archive",
    "AsyncArchive",
    "Coverage",
    "CoveringImage",
    "Cutout",
    "Cutouts",
    "IncompleteListingWarning",
    "Mirror",
    "MirrorAlert",
    "MirrorProduct",
    "Products",
    "Question",
    "RemoteAnswer",
    "alert_row",
    "ask_archive",
    "coverage_row",
    "listed_row",
    "panel_of",
    "product_row",
    "refuse_tree",
    "save_cutouts",
    "save_strip",
]
