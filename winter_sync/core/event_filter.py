"""Which events somebody wants: by kind, program, target, image type and night."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core.outbox import OutboxEvent


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Conditions on events, all of which must hold; an empty one holds for every event.

    An event that lacks what a condition is about does not pass it: one of the server has no target.
    One that stands for events of many products passes as those would, of whatever targets they are.

    Attributes
    ----------
    kinds
        Words of `EventKind`.
    programs
        Of an event about several programs, one of them is enough.
    targets
        Names of targets in upper or lower case, in which `*` stands for any text.
    image_types
        Image types.
    nights
        Nights, eight digits each.
    """

    kinds: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    image_types: tuple[str, ...] = ()
    nights: tuple[str, ...] = ()

    def accepts(self, event: OutboxEvent) -> bool:
        """Return whether all conditions hold for an event."""
        fields = event.fields
        change, nights = fields.get("change"), fields.get("nights")
        return (
            _is_among([event.kind, change], self.kinds)
            and _is_among(programs_of(event), self.programs)
            and _is_among([fields.get("image_type")], self.image_types)
            and _is_among(
                nights if isinstance(nights, list) else [fields.get("night")], self.nights
            )
            and (
                not self.targets
                or change is not None
                or _matches(fields.get("target"), self.targets)
            )
        )


def programs_of(event: OutboxEvent) -> list[str]:
    """Return the programs that an event is about: several of a product, one of a night."""
    programs, program = event.fields.get("programs"), event.fields.get("program")
    found = list(programs) if isinstance(programs, list) else []
    return [*found, program] if isinstance(program, str) else found


def _is_among(values: Iterable[object], wanted: tuple[str, ...]) -> bool:
    return not wanted or any(value in wanted for value in values)


def _matches(name: object, patterns: tuple[str, ...]) -> bool:
    return isinstance(name, str) and any(_pattern(text).fullmatch(name) for text in patterns)


@lru_cache(256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL | re.IGNORECASE)
