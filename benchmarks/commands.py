"""Measure commands that have nothing to do: `status`, and `sync` of a mirror that is up to date.

Whole processes, start-up included. The archive answers at once; nothing is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.archive import Products, fits_file, pack, serve
from benchmarks.measuring import Goal, Measurement, Run, cost_of_command, winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL = Goal(0.35)
COMMANDS = (("--help",), ("status",), ("--log-level", "error", "sync"))


def measure(run: Run) -> Iterator[Measurement]:
    """Mirror a night, and measure each command several times then."""
    content = pack(run.directory / "small", fits_file(6000))
    with serve(run, Products(run.choose(250, 20), [content])) as archive:
        environment = archive.settings(run.directory / "mirror")
        cost_of_command(winter_sync("--log-level", "error", "sync"), environment)
        for command in run.choose(COMMANDS, COMMANDS[-1:]):
            costs = [
                cost_of_command(winter_sync(*command), environment)
                for _ in range(run.choose(16, 1))
            ]
            costs = costs[1:] or costs  # the first finds nothing in the caches
            name = command[-1]
            yield Measurement(
                f"`{name}`, CPU",
                tuple(cost.cpu for cost in costs),
                "s",
                goal=None if name == "--help" else GOAL,
                how=f"peak {max(cost.peak for cost in costs) / 1e6:.0f} MB",
            )
