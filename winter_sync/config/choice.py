"""The part of the configured programs that one command is for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.core import ImageType, Instrument, Selection


@dataclass(frozen=True, slots=True)
class Choice:
    """Programs, image types and instruments; an empty tuple means all that are configured."""

    programs: tuple[str, ...] = ()
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()

    def narrow(self, selections: Sequence[Selection]) -> tuple[Selection, ...]:
        """Narrow the selections; a type or instrument chosen here need not be in the settings.

        Raises
        ------
        UsageError
            If a program is chosen that the settings do not have: there is no key for it.
        """
        known = {selection.program for selection in selections}
        if unknown := [name for name in self.programs if name not in known]:
            raise UsageError(
                f"program {unknown[0]} is not in the settings",
                remedy="Add a [[programs]] table for it; configured programs: "
                f"{', '.join(sorted(known))}.",
                code=ErrorCode.USE_PROGRAM,
            )
        return tuple(
            replace(
                selection,
                image_types=self.image_types or selection.image_types,
                instruments=self.instruments or selection.instruments,
            )
            for selection in selections
            if not self.programs or selection.program in self.programs
        )
