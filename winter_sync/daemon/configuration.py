"""Settings and secrets with which a daemon can begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.config import check_root, require_ready
from winter_sync.web import Access

if TYPE_CHECKING:
    from winter_sync.config import Settings
    from winter_sync.core import Credentials


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, checked, and the secrets they lead to."""

    settings: Settings
    credentials: Credentials

    @property
    def access(self) -> Access:
        """What protects the pages from other machines."""
        return Access(self.credentials.page_token, self.settings.http.trusted_proxy)

    @classmethod
    def check(cls, settings: Settings) -> Configuration:
        """Return the configuration of a daemon that can begin with these settings.

        Raises
        ------
        UsageError, StorageError
            If it cannot, with what is wrong.
        """
        credentials = require_ready(settings)
        check_root(settings.root)
        _ = settings.layout, settings.proxy
        return cls(settings, credentials)
