from .choice import Choice
from .credentials import collect_credentials, read_page_token, secret_files, secret_places
from .files import find_file, holds_secret, new_file
from .messages import nearest
from .mirror_root import check_root
from .permissions import exposure_of
from .readiness import read_credentials, require_mirror, require_ready
from .sections import SinkSettings
from .settings import Settings, load_settings, make_settings

__all__ = [
    "Choice",
    "Settings",
    "SinkSettings",
    "check_root",
    "collect_credentials",
    "exposure_of",
    "find_file",
    "holds_secret",
    "load_settings",
    "make_settings",
    "nearest",
    "new_file",
    "read_credentials",
    "read_page_token",
    "require_mirror",
    "require_ready",
    "secret_files",
    "secret_places",
]
