"""What a browser looked at, as a table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Table:
    """Loads of each page, by mirror: how many, how long, and how much was found."""

    rows: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    findings: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, page: str, nights: int, seconds: float, findings: int) -> None:
        """Record that a page was looked at."""
        self.rows[page, nights].append(seconds)
        self.findings[page, nights] += findings

    def lines(self) -> list[str]:
        """Return the table; empty if nothing was looked at."""
        if not self.rows:
            return []
        head = f"{'page':<44} {'nights':>6} {'loads':>6} {'median':>9} {'longest':>9}  findings"
        return ["", head, *(self._line(page, nights) for page, nights in sorted(self.rows))]

    def _line(self, page: str, nights: int) -> str:
        took = sorted(self.rows[page, nights])
        middle = took[len(took) // 2]
        found = self.findings[page, nights]
        return (
            f"{page:<44} {nights:>6} {len(took):>6} {middle * 1000:>6.0f} ms "
            f"{took[-1] * 1000:>6.0f} ms {found:>9}"
        )
