"""Credentials for the archive, which no way of printing them shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the archive asks for; printing it shows no secret."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)
    """The API key of each program, by program name."""
    others: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown either, and is not the archive's: a proxy's user and password."""

    sinks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The secret of each webhook, by the name of its sink."""
    page_token: str | None = field(default=None, repr=False)
    """What whoever looks at the pages must know; None for nothing."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must never be shown."""
        token = () if self.page_token is None else (self.page_token,)
        ours = (self.user, self.password, *self.keys.values(), *self.others)
        return (*ours, *self.sinks.values(), *token)
