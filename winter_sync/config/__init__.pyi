from .choice import Choice
from .credentials import read_credentials, secret_files
from .messages import nearest
from .permissions import exposure_of
from .settings import Settings, check_root, find_file, holds_secret, load_settings

__all__ = [
    "Choice",
    "Settings",
    "check_root",
    "exposure_of",
    "find_file",
    "holds_secret",
    "load_settings",
    "nearest",
    "read_credentials",
    "secret_files",
]
