"""No answer takes more than what was asked for is worth: in members, bytes, outcomes or lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture
from support.faulty_rig import THIRD, fault, faulty_rig
from support.rig import path_of

from winter_sync.core import BatchEnded, ProductFinished
from winter_sync.core.errors import ExitCode
from winter_sync.formats.zip_output import Limits
from winter_sync.monitoring.event_log import log_events

BROKEN_OFF = "it is broken off; the product is singled out and waits alone (exit code 5)"
SPARED = "what is more is not looked at; the product is singled out and waits alone (exit code 5)"
OTHERS = "every other product"
MEGABYTE = 1_000_000

ATTACKS = [
    fault(
        f"empties=5000@{THIRD}",
        "one product, five thousand times, and empty each time",
        outcome=BROKEN_OFF,
        kept=OTHERS,
        written=MEGABYTE,
    ),
    fault(
        f"bomb=200@{THIRD}",
        "a member that inflates to far more than its header says",
        outcome=SPARED,
        kept=OTHERS,
        written=MEGABYTE,
    ),
    fault(
        f"bomb-late=40@{THIRD}",
        "a member that inflates to more than any product has, and says so only behind it",
        outcome=BROKEN_OFF,
        kept=OTHERS,
        written=10 * MEGABYTE,
    ),
]


def written_by_us() -> int:
    """Return how many bytes this process has written so far, to any file or socket."""
    counters = Path("/proc/self/io").read_text().split()
    return int(counters[counters.index("wchar:") + 1])


@pytest.mark.parametrize(("script", "expected"), ATTACKS)
async def test_an_answer_has_a_budget(
    tmp_path: Path, script: str, expected: dict[str, Any]
) -> None:
    """A run logs and writes little of it; each product is reported once in each download."""
    async with faulty_rig(tmp_path, script) as rig:
        lines = LogCapture()
        logger = structlog.wrap_logger(None, processors=[lines])
        rig.listeners.append(log_events(logger))
        rig.limits = Limits(member_size=9 * MEGABYTE)
        async with rig.opened():
            pass  # so that it is there already: making a catalog writes some megabytes once
        before = written_by_us()
        report = await rig.run()
        # What the simulator sent counts, too: it is in this process.
        written = written_by_us() - before - rig.sent
        asked = sum(rig.stacks[2].savepath in paths for paths in rig.downloads)
        assert written <= asked * expected["written"]
        assert report.exit_code is ExitCode.INCOMPLETE
        assert rig.missed == {path_of(rig.stacks[2])}
        told = Counter[str]()
        for event in rig.events:
            if isinstance(event, ProductFinished):
                told[event.outcome.candidate.product.savepath] += 1
            if isinstance(event, BatchEnded):
                assert not told or max(told.values()) == 1
                told.clear()
        assert len(lines.entries) <= 100
