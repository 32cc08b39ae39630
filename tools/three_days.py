"""Live through three simulated days as the tests do, and print how they went.

Run as `.venv/bin/python tools/three_days.py`. It takes a minute.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from long.test_three_days import lived

if TYPE_CHECKING:
    from datetime import timedelta


def spread(latencies: list[timedelta]) -> str:
    """Write a distribution in minutes."""
    minutes = sorted(latency.total_seconds() / 60 for latency in latencies)
    tenths = statistics.quantiles(minutes, n=10, method="inclusive")
    return (
        f"{len(minutes)} products: 10 % within {tenths[0]:.1f} min, "
        f"half {tenths[4]:.1f}, 90 % {tenths[8]:.1f}, all {minutes[-1]:.1f}"
    )


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory:
        record = lived(Path(directory))
    print(f"mirrored: {len(record.files)} files, right {record.files == record.truth}")
    print(f"overlapping polls: {record.overlaps}; products asked for twice: {record.fetched_twice}")
    for name, number in record.requests.items():
        print(f"{name}: {number} requests (due: {record.due.get(name, '-')})")
    print(f"of these while the archive was away: {record.in_vain}")
    print(f"from appearance to publication: {spread(record.latencies)}")
    print(f"  where the archive was away: {spread(record.latencies_in_outages)}")


if __name__ == "__main__":
    main()
