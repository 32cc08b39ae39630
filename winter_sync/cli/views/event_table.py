"""Events as a table on a terminal, drawn while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable, programs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core import OutboxEvent

_HEADINGS = ("number", "UTC", "event", "night", "what")
_WIDTHS = (12, 16, 15, 8)
_TELLING = ("reason", "kept", "path")
"""Fields shown last, as far as they fit; of a path the name."""


@dataclass(slots=True)
class EventTable:
    """A table for a terminal of a given width; what does not fit is in the JSON.

    Parameters
    ----------
    width
        The columns of the terminal.
    """

    width: int
    _begun: bool = False

    def lines(self, event: OutboxEvent) -> Iterator[str]:
        """Yield the line of an event, the heading before the first."""
        if not self._begun:
            self._begun = True
            yield self._line(_HEADINGS)
        yield self._line(
            (
                str(event.number),
                event.at[:16].replace("T", " "),
                event.kind,
                str(event.fields.get("night") or "-"),
                escape_unprintable(_what(event)),
            )
        )

    def _line(self, cells: tuple[str, ...]) -> str:
        number, *others = cells[:-1]
        left = [number.rjust(_WIDTHS[0]), *map(str.ljust, others, _WIDTHS[1:])]
        line = f"{' '.join(left)} {cells[-1]}"
        return line.rstrip() if len(line) <= self.width else f"{line[: self.width - 1]}…"


def _what(event: OutboxEvent) -> str:
    """Return what an event is about in a line: the most telling first."""
    fields = event.fields
    said = [fields.get("image_type"), fields.get("target"), *programs_of(event)]
    if "change" in fields:
        said.append(f"{fields.get('products')} more {fields['change']}")
    if "listed" in fields:
        said.append(f"{fields.get('downloaded')} of {fields['listed']} downloaded")
    said += [str(fields[name]).rpartition("/")[2] for name in _TELLING if fields.get(name)]
    return " ".join(str(part) for part in said if part)
