"""Programs whose credentials are refused: nothing of theirs is downloaded meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.catalog import Scope
    from winter_sync.core import CredentialsRefusedError


@dataclass(slots=True)
class RefusedPrograms:
    """The programs that are left out; `on_refused` is called for each, with the reason."""

    on_refused: Callable[[str, CredentialsRefusedError], None]
    _names: set[str] = field(default_factory=set)

    def add(self, program: str, refused: CredentialsRefusedError) -> None:
        """Leave a program out."""
        self._names.add(program)
        self.on_refused(program, refused)

    def remove(self, program: str) -> None:
        """Let a program that was left out take part again."""
        self._names.discard(program)

    def without(self, scope: Scope) -> Scope:
        """Return a scope less the refused programs."""
        accepted = tuple(name for name in scope.programs if name not in self._names)
        return replace(scope, programs=accepted)
