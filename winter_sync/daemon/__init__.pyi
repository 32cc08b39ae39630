from .configuration import Configuration
from .service import Service
from .systemd import SystemdNotifier

__all__ = [
    "Configuration",
    "Service",
    "SystemdNotifier",
]
