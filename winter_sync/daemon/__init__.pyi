from .service import Configuration, Service
from .systemd import SystemdNotifier

__all__ = [
    "Configuration",
    "Service",
    "SystemdNotifier",
]
