from .service import Service, Wishes
from .systemd import Notifier

__all__ = [
    "Notifier",
    "Service",
    "Wishes",
]
