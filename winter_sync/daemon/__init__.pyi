from .configuration import Configuration
from .lock import daemon_of
from .service import Service
from .systemd import SystemdNotifier

__all__ = [
    "Configuration",
    "Service",
    "SystemdNotifier",
    "daemon_of",
]
