"""What is odd about a file whose announced data are all there: notes, and doubts that refuse it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core import Fault
    from winter_sync.formats.reader import FileReader

_DOUBTS_TOLD = 3


@dataclass(slots=True)
class Findings:
    """What is not as it should be in a file whose announced data are all there."""

    reader: FileReader
    notes: list[str] = field(default_factory=list)
    """What is harmless."""
    doubts: list[tuple[Fault, int, str]] = field(default_factory=list)
    """What may show that more should follow: the fault, at which byte, in words."""

    def doubt(self, fault: Fault, at: int, what: str) -> None:
        """Record that something shows, at this byte, that more should follow."""
        self.doubts.append((fault, at, what))

    def refuse_doubtful(self) -> None:
        """Raise the first doubt, with the words of the next ones."""
        if self.doubts:
            fault, at, _ = self.doubts[0]
            what = "; ".join(words for _, _, words in self.doubts[:_DOUBTS_TOLD])
            raise self.reader.damaged(fault, at, what)
